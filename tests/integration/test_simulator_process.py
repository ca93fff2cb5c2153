"""The simulator in its own process, with the packaged map."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from euguess.images.preprocessing import load_photo
from euguess.process.project import service_command
from euguess.stack.processes import RunningServer, ServerSpec, started
from euguess.stack.servers import http_ready

KEY = "process-key"
VIENNA, VALLETTA = "48.208200,16.373800", "35.889,14.447"


@pytest.fixture
def address(free_port: int) -> str:
    return f"http://127.0.0.1:{free_port}"


@pytest.fixture
def simulator(address: str, free_port: int, tmp_path: Path) -> Iterator[RunningServer]:
    options = ["--port", str(free_port), "--no-coverage", "MT", "--coverage", "1"]
    spec = ServerSpec(
        name="simulator",
        argv=tuple(service_command("simulator", *options)),
        ready=http_ready(f"{address}/healthz"),
        env={"EUGUESS_SIMULATOR_KEY": KEY},
        ports=(free_port,),
    )
    with started(spec, tmp_path / "simulator.log") as server:
        yield server


def get(url: str) -> bytes:
    with urlopen(url, timeout=20) as response:
        body: bytes = response.read()
    return body


def metadata(address: str, location: str) -> dict[str, str]:
    query = f"location={location}&radius=2000&key={KEY}"
    answer: dict[str, str] = json.loads(get(f"{address}/maps/api/streetview/metadata?{query}"))
    return answer


@pytest.mark.usefixtures("simulator")
def test_it_serves_panoramas_of_the_real_map(address: str) -> None:
    found = metadata(address, VIENNA)
    assert found["status"] == "OK"
    view = f"pano={found['pano_id']}&size=640x640&heading=120&fov=90&key={KEY}"
    assert load_photo(get(f"{address}/maps/api/streetview?{view}"), side=640).size == (640, 640)
    assert metadata(address, VALLETTA)["status"] == "ZERO_RESULTS"


def test_it_exits_cleanly_on_sigterm_and_logs_no_key(
    simulator: RunningServer, address: str
) -> None:
    metadata(address, VIENNA)
    os.kill(simulator.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while simulator.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert simulator.exit_code == 0
    assert KEY not in simulator.log_path.read_text()
