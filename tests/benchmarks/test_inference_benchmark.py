"""TorchServe against the classifier in a loop: same model, same photo, same number of threads."""

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import googlenet

from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ImageSpec, ModelCard
from services.inference.classifier import load_classifier
from tests.support.inference_server import Serving, serving
from tests.support.model_packages import make_package
from tests.support.model_registry import LocalRegistry
from tests.support.uploads import photo

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(900),
    # MLflow's queries with SQLAlchemy 2.1, and torch's exporter with its own libraries
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SECONDS = 5.0
CLIENTS = (1, 8, 32)
BATCHES = (1, 8)
SIDE, SIZE = 512, 64


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a GoogLeNet for 64 x 64 pixels with random weights."""
    folder = make_package(tmp_path_factory.mktemp("benchmark") / "package")
    card = ModelCard.model_validate_json((folder / "model.json").read_text())
    network = googlenet(
        weights=None, num_classes=len(card.countries), aux_logits=False, init_weights=True
    ).eval()
    save_file(network.state_dict(), folder / "model.safetensors")
    _export(network, folder / "model.onnx")
    digests = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in card.sha256}
    update = {"image": ImageSpec(size=SIZE), "sha256": digests}
    (folder / "model.json").write_text(card.model_copy(update=update).model_dump_json())
    return folder


def _export(network: torch.nn.Module, path: Path) -> None:
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, SIZE, SIZE),),
        path,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )


@pytest.fixture(scope="module")
def server(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    registry = LocalRegistry(folder / "registry")
    registry.promote(registry.register(package))
    with serving(folder / "home", registry.url, "--workers", "1") as running:
        yield running


def _loop(package: Path, batch: int, data: bytes) -> tuple[float, float]:
    """Return requests per second and CPU ms per request of the classifier in this process."""
    classifier = load_classifier(package, decode_photo)
    count, begin, begin_cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < begin + SECONDS:
        classifier.classify([classifier.decode([data]) for _ in range(batch)])
        count += batch
    cpu_ms = 1000 * (time.process_time() - begin_cpu) / count
    return count / (time.perf_counter() - begin), cpu_ms


def _load(server: Serving, clients: int, data: bytes) -> tuple[float, float, list[float]]:
    """Return requests per second, server CPU ms per request and sorted latencies in ms."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    begin, begin_cpu = time.perf_counter(), _cpu_seconds(family)
    with ThreadPoolExecutor(clients) as pool:
        ask = _asker(server, data, begin + SECONDS)
        latencies = [ms for run in pool.map(lambda _: ask(), range(clients)) for ms in run]
    cpu_ms = 1000 * (_cpu_seconds(family) - begin_cpu) / len(latencies)
    return len(latencies) / (time.perf_counter() - begin), cpu_ms, sorted(latencies)


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(entry.user + entry.system for entry in times)


def _asker(server: Serving, data: bytes, end: float) -> Callable[[], list[float]]:
    key = json.loads(server.key_file.read_text())["inference"]["key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
    address = urlsplit(server.url).netloc

    def ask() -> list[float]:
        connection, latencies = http.client.HTTPConnection(address, timeout=60), []
        while time.perf_counter() < end:
            begin = time.perf_counter()
            connection.request("POST", "/predictions/euguess", data, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            latencies.append(1000 * (time.perf_counter() - begin))
        connection.close()
        return latencies

    return ask


def test_torchserve_costs_little_more_than_the_classifier_in_a_loop(
    package: Path, server: Serving
) -> None:
    data = photo(side=SIDE)
    loops = {batch: _loop(package, batch, data) for batch in BATCHES}
    for batch, (rate, cpu_ms) in loops.items():
        print(f"\nin-process, batch {batch}: {rate:.0f} req/s, {cpu_ms:.1f} CPU ms/req", end="")
    best_rate, best_cpu_ms = max(loops.values())
    _load(server, 8, data)  # warm-up for the Java JIT compiler
    ratios = []
    for clients in CLIENTS:
        rate, cpu_ms, latencies = _load(server, clients, data)
        ratios.append(cpu_ms / best_cpu_ms)
        print(
            f"\nTorchServe, {clients} clients: {rate:.0f} req/s ({rate / best_rate:.2f} of the "
            f"best loop), {cpu_ms:.1f} CPU ms/req ({ratios[-1]:.2f} of it), "
            f"p50 {latencies[len(latencies) // 2]:.0f} ms, "
            f"p99 {latencies[len(latencies) * 99 // 100]:.0f} ms",
            end="",
        )
    print()
    assert ratios[-1] < 4
