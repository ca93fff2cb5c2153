"""Serve a Streamlit script like the dashboard, for tests in a browser."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from euguess.process.ports import LOOPBACK, free_ports
from euguess.process.project import project_root
from euguess.settings import child_environment

START_SECONDS = 60
SERVE = """import sys
from pathlib import Path
from dashboard.__main__ import serve
script, host, port = sys.argv[-3:]
serve(Path(script), host, int(port))"""


@contextmanager
def served(script: Path, *arguments: str) -> Iterator[str]:
    """Serve a script and yield its address; the arguments are in sys.argv[1:]."""
    (port,) = free_ports(1)
    argv = (sys.executable, "-c", SERVE, *arguments, str(script), LOOPBACK, str(port))
    root = project_root()
    environment = {**child_environment(), "PYTHONPATH": f"{root / 'src'}:{root}"}
    folder = root / "dashboard"  # Streamlit reads its options here
    with subprocess.Popen(argv, cwd=folder, env=environment) as process:
        try:
            _wait_until_up(f"http://{LOOPBACK}:{port}")
            yield f"http://{LOOPBACK}:{port}"
        finally:
            process.terminate()


def _wait_until_up(address: str) -> None:
    for _ in range(START_SECONDS * 10):
        try:
            if httpx.get(f"{address}/_stcore/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("Streamlit does not start.")
