"""The import command on the shared collection of real photos, and when its parts are missing."""

import json
import subprocess
from pathlib import Path

import pytest

from euguess.messages.collection import DatasetState, DatasetStatus
from euguess.process.project import project_root, service_command
from euguess.settings import child_environment
from euguess.stack.processes import ServerSpec, started


def fetcher(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    root = str(project_root())
    return subprocess.run(
        service_command("fetcher", *arguments),
        env=child_environment(PYTHONPATH=root, EUGUESS_HOME=str(home), **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.photos
def test_the_real_photos_are_imported_whole(photos: Path, tmp_path: Path) -> None:
    manifest = str(photos / "streetview" / "manifest.csv")
    first = fetcher(tmp_path, "import", "real", manifest, "--json")
    assert first.returncode == 0, first.stderr
    status = DatasetStatus.model_validate_json(first.stdout)
    assert status.state is DatasetState.IMPORTED
    assert (status.total.stored, len(status.countries)) == (289, 26)
    images = tmp_path / "store" / "datasets" / "real" / "images"
    stored = [path for path in images.rglob("*") if path.is_file()]
    assert len(stored) == 1280
    again = fetcher(tmp_path, "import", "real", manifest, "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_a_bad_manifest_ends_in_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,country_code,lat,lon\nx.jpg,FR,1,1\ny.jpg,XX,95,1\n")
    answer = fetcher(tmp_path, "import", "bad", str(tmp_path / "m.csv"))
    assert answer.returncode == 2
    assert "line 2" in answer.stderr
    assert "line 3" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "store" / "datasets").exists()


def test_without_redis_the_worker_does_not_start(tmp_path: Path, free_port: int) -> None:
    answer = fetcher(tmp_path, "worker", EUGUESS_REDIS_URL=f"redis://127.0.0.1:{free_port}/0")
    assert answer.returncode == 1
    assert "Redis does not answer" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_key_of_google_without_its_terms_is_told_and_stops_no_other_provider(
    tmp_path: Path, redis_url: str
) -> None:
    log = tmp_path / "fetcher.log"
    spec = ServerSpec(
        name="fetcher",
        argv=tuple(service_command("fetcher", "worker", "--concurrency", "1")),
        ready=lambda: log.exists() and " ready." in log.read_text(errors="replace"),
        env={
            "PYTHONPATH": str(project_root()),
            "EUGUESS_HOME": str(tmp_path),
            "EUGUESS_REDIS_URL": redis_url,
            "EUGUESS_GOOGLE_KEY": "canary",
        },
        cwd=project_root(),
    )
    with started(spec, log):
        told = log.read_text()
    assert "forbid storing" in told
    assert "EUGUESS_ACCEPT_PROVIDER_TERMS=google" in told
    assert "canary" not in told
