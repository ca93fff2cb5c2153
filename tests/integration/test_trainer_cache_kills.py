"""A cache build that is killed or runs out of disk space, in its own process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from euguess.process.project import project_root, service_environment
from euguess.settings import StoreSettings
from euguess.storage import open_store
from services.trainer.cache.format import open_cache
from tests.support.cache_bench import CacheBench
from tests.support.cache_build_process import DOWNLOADS, ROWS_PER_SYNC

VIEWS = 30
ROOM_FOR_12_IMAGES = 10_000  # bytes; an image of 16 x 16 pixels has 768


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"file://{tmp_path / 'store'}"


@pytest.fixture
async def bench(store_url: str, tmp_path: Path) -> CacheBench:
    """A dataset of 30 views in a store that another process can open."""
    store = await open_store(StoreSettings(store_url=store_url))
    bench = CacheBench(store, tmp_path / "cache")
    await bench.builder.fill({"FR": VIEWS // 3})
    return bench


def build(
    store_url: str, folder: Path, *, kill_at: int = 0, limit_bytes: int = 0
) -> subprocess.CompletedProcess[str]:
    arguments = [store_url, str(folder), str(kill_at), str(limit_bytes)]
    return subprocess.run(
        [sys.executable, "-m", "tests.support.cache_build_process", *arguments],
        cwd=project_root(),
        env=service_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kill_at", [3, 17, 30])
async def test_a_killed_build_is_resumed(bench: CacheBench, store_url: str, kill_at: int) -> None:
    killed = build(store_url, bench.folder, kill_at=kill_at)
    assert killed.returncode == -signal.SIGKILL
    assert not (bench.folder / "cache.json").exists()
    await bench.check(await bench.build())
    left = VIEWS - kill_at
    assert left <= bench.photos_read <= left + ROWS_PER_SYNC + DOWNLOADS


async def test_a_full_disk_is_reported_and_the_build_resumes_later(
    bench: CacheBench, store_url: str
) -> None:
    full = build(store_url, bench.folder, limit_bytes=ROOM_FOR_12_IMAGES)
    assert full.stderr.startswith("DiskFull: ")
    assert "EUGUESS_HOME" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (bench.folder / "cache.json").exists()
    await bench.check(await bench.build())
    assert bench.photos_read <= VIEWS - 12 + ROWS_PER_SYNC + DOWNLOADS


async def test_a_full_disk_leaves_the_previous_cache_in_use(
    bench: CacheBench, store_url: str
) -> None:
    previous = await bench.build()
    await bench.builder.add_location("FR", VIEWS)
    assert build(store_url, bench.folder, limit_bytes=ROOM_FOR_12_IMAGES).returncode == 1
    digest = previous.header.manifest_digest
    assert len(open_cache(bench.folder, manifest_digest=digest, verify=True)) == VIEWS
