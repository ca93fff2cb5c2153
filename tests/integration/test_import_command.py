"""`euguess dataset import` on the shared collection of real photos, and without a service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from euguess.messages.collection import DatasetState, DatasetStatus
from euguess.settings import child_environment
from tests.support.fetcher_fakes import photo

IMPORT_WITHOUT_SERVICES = """
import sys
from euguess.cli.main import app

try:
    app(["dataset", "import", "small", sys.argv[1]])
except SystemExit as ended:
    assert not ended.code, ended.code
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"celery", "kombu", "aiohttp", "services"}))
"""


def python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=child_environment(EUGUESS_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def euguess(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(home, "-m", "euguess.cli", *arguments)


@pytest.mark.photos
def test_the_real_photos_are_all_imported(photos: Path, tmp_path: Path) -> None:
    manifest = str(photos / "streetview" / "manifest.csv")
    first = euguess(tmp_path, "dataset", "import", "real", manifest, "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told.pop("import")["places"] == {"given": 289}
    status = DatasetStatus.model_validate(told)
    assert status.state is DatasetState.IMPORTED
    assert (status.total.stored, len(status.countries)) == (289, 26)
    images = tmp_path / "store" / "datasets" / "real" / "images"
    stored = [path for path in images.rglob("*") if path.is_file()]
    assert len(stored) == 1280
    again = euguess(tmp_path, "dataset", "import", "real", manifest, "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_a_bad_manifest_is_reported_in_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,country_code,lat,lon\nx.jpg,FR,1,1\ny.jpg,XX,95,1\n")
    answer = euguess(tmp_path, "dataset", "import", "bad", str(tmp_path / "m.csv"))
    assert answer.returncode == 2
    assert "line 2" in answer.stderr
    assert "line 3" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "store" / "datasets").exists()


def test_an_import_loads_neither_celery_nor_aiohttp_nor_a_service(tmp_path: Path) -> None:
    (tmp_path / "FR").mkdir()
    (tmp_path / "FR" / "1.jpg").write_bytes(photo(1))
    answer = python(tmp_path / "home", "-c", IMPORT_WITHOUT_SERVICES, str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "[]"
