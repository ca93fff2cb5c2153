"""The fetcher's command line when a dependency is missing."""

import subprocess
from pathlib import Path

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


def test_without_redis_the_worker_does_not_start(tmp_path: Path, free_port: int) -> None:
    answer = fetcher(tmp_path, "worker", EUGUESS_REDIS_URL=f"redis://127.0.0.1:{free_port}/0")
    assert answer.returncode == 1
    assert "Redis does not answer" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_google_key_without_accepted_terms_is_reported_and_stops_no_other_provider(
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
