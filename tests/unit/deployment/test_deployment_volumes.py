"""Free space and ownership of the stack's volumes."""

from pathlib import Path

import pytest

from euguess.deployment.volumes import chown_volumes, require_room
from euguess.errors import DiskFull
from tests.support.requirements import needs_root


def test_a_disk_with_enough_space_passes(tmp_path: Path) -> None:
    require_room(tmp_path, 0.001)


def test_a_small_disk_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"GB free, less than the 1e\+09 GB of EUGUESS_MIN_FREE_GB"):
        require_room(tmp_path, 1e9)


@needs_root
def test_the_services_own_each_volume(tmp_path: Path) -> None:
    for name in ("redis", "minio"):
        (tmp_path / name).mkdir()
    chown_volumes(tmp_path, owner=10001)
    owners = {(folder.stat().st_uid, folder.stat().st_gid) for folder in tmp_path.iterdir()}
    assert owners == {(10001, 10001)}
