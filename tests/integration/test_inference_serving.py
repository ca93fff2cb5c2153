"""A real TorchServe with the handler and the agent, and a real MLflow registry."""

import base64
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.images.preprocessing import decode_photo
from services.inference.classifier import load_classifier
from services.inference.configuration import key_file_path
from tests.support.hostile_photos import many_scans, unwritable_exif
from tests.support.inference_server import Serving, answers, serving
from tests.support.model_packages import SIZE, make_package
from tests.support.model_registry import LocalRegistry
from tests.support.uploads import BAD_UPLOADS, photo

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> LocalRegistry:
    """Versions 1 and 2; version 1 is the champion."""
    folder = tmp_path_factory.mktemp("registry")
    registry = LocalRegistry(folder)
    for seed in (1, 2):
        registry.register(make_package(folder / f"package-{seed}", seed))
    registry.promote("1")
    return registry


@pytest.fixture(scope="session")
def server(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("serving"), registry.url) as running:
        yield running


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.1)


def _workers(server: Serving) -> list[psutil.Process]:
    family = psutil.Process(server.process.pid).children(recursive=True)
    return [process for process in family if "model_service_worker.py" in str(process.cmdline())]


def _java(server: Serving) -> psutil.Process:
    family = psutil.Process(server.process.pid).children()
    return next(p for p in family if "org.pytorch.serve.ModelServer" in p.cmdline())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_as_the_body_is_answered(server: Serving, kind: str) -> None:
    prediction = server.client.predict([photo(1, kind=kind)])
    assert prediction.views == 1
    assert prediction.model.version in {"1", "2"}


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_form_of_views_is_answered(server: Serving, count: int) -> None:
    assert server.client.predict([photo(i) for i in range(count)]).views == count


def test_the_server_predicts_the_same_as_the_classifier_in_this_process(
    server: Serving, tmp_path: Path
) -> None:
    views = [photo(i, side=300) for i in range(3)]
    served = server.client.predict(views)
    package = make_package(tmp_path / "package", int(served.model.version))
    answer = load_classifier(package, decode_photo).predict(views)
    assert served.country_code == answer["country_code"]
    assert served.probability == pytest.approx(answer["probability"], abs=1e-5)


def test_bad_uploads_get_their_reason_and_good_ones_in_the_same_batch_succeed(
    server: Serving,
) -> None:
    workers = {worker.pid for worker in _workers(server)}
    uploads = [draw() for draw, _, _ in BAD_UPLOADS.values()]
    with ThreadPoolExecutor(8) as pool:
        good = [pool.submit(server.client.predict, [photo(i)]) for i in range(20)]
        bad = [pool.submit(_post, server, upload) for upload in uploads]
        good += [pool.submit(server.client.predict, [photo(i)]) for i in range(20)]
    assert all(future.result().views == 1 for future in good)
    for future, (_, status, reason) in zip(bad, BAD_UPLOADS.values(), strict=True):
        answer = future.result()
        assert answer.status_code == status
        assert reason in answer.json()["message"]
    assert {worker.pid for worker in _workers(server)} == workers


def test_eight_photos_of_a_thousand_scans_do_not_stop_the_worker(server: Serving) -> None:
    workers = {worker.pid for worker in _workers(server)}
    costly = [many_scans(1000, side=200 + i) for i in range(8)]
    with pytest.raises(InvalidInput, match="1000 progressive scans"):
        server.client.predict(costly)
    assert server.client.predict([unwritable_exif("TypeError")]).views == 1
    assert {worker.pid for worker in _workers(server)} == workers


def _post(server: Serving, content: bytes) -> httpx.Response:
    key = json.loads(server.key_file.read_text())["inference"]["key"]
    url = f"{server.url}/predictions/euguess"
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(url, content=content, headers=headers, timeout=60)


def _post_form(server: Serving, files: list[tuple[str, tuple[str, bytes]]]) -> httpx.Response:
    key = json.loads(server.key_file.read_text())["inference"]["key"]
    url = f"{server.url}/predictions/euguess"
    return httpx.post(url, files=files, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def test_a_place_is_explained_with_a_heat_map_and_an_effect_per_view(server: Serving) -> None:
    views = [photo(i) for i in range(3)]
    explanation = server.client.explain(views)
    assert explanation.probability == server.client.predict(views).probability
    assert all(view.effect is not None for view in explanation.views)
    pictures = [Image.open(io.BytesIO(base64.b64decode(v.heat_map))) for v in explanation.views]
    assert [(picture.mode, picture.size) for picture in pictures] == [("L", (SIZE, SIZE))] * 3


def test_explanations_reject_bad_photos_too(server: Serving) -> None:
    with pytest.raises(InvalidInput, match="Unknown image format"):
        server.client.explain([b"words"])
    with pytest.raises(InvalidInput, match="View 2"):
        server.client.explain([photo(1), photo(1)[:500]])


def test_nine_views_are_rejected_with_a_reason(server: Serving) -> None:
    files = [(f"view{i}", (f"{i}.jpg", photo(i))) for i in range(9)]
    answer = _post_form(server, files)
    assert answer.status_code == 400
    assert answer.json()["message"] == "9 views; send 1 to 8 photos."


def test_an_empty_form_is_rejected_with_a_reason(server: Serving) -> None:
    key = json.loads(server.key_file.read_text())["inference"]["key"]
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "multipart/form-data; boundary=xx",
    }
    url = f"{server.url}/predictions/euguess"
    answer = httpx.post(url, content=b"--xx--\r\n", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["message"] == "0 views; send 1 to 8 photos."


def test_views_with_one_name_are_rejected_since_torchserve_keeps_only_the_last(
    server: Serving,
) -> None:
    view = photo(side=200, kind="PNG")
    answer = _post_form(server, [("view", (f"{i}.png", view)) for i in range(3)])
    assert answer.status_code == 400
    assert "name them view1 to view8" in answer.json()["message"]


def test_the_client_passes_the_reason_on(server: Serving) -> None:
    with pytest.raises(InvalidInput, match="View 2: The image is empty"):
        server.client.predict([photo(), b""])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_a_request_without_the_token_is_denied(server: Serving, headers: dict[str, str]) -> None:
    url = f"{server.url}/predictions/euguess"
    answer = httpx.post(url, content=photo(), headers=headers)
    assert answer.json()["type"] == "InvalidKeyException"


def test_the_management_port_needs_its_own_token(server: Serving) -> None:
    keys = json.loads(server.key_file.read_text())
    url = f"{server.management_url}/models/euguess"
    for name, status in (("inference", 400), ("management", 200)):
        headers = {"Authorization": f"Bearer {keys[name]['key']}"}
        assert httpx.get(url, headers=headers).status_code == status
    assert httpx.delete(f"{url}/1").status_code == 400


def test_only_archives_of_the_store_can_be_registered(server: Serving, tmp_path: Path) -> None:
    keys = json.loads(server.key_file.read_text())
    headers = {"Authorization": f"Bearer {keys['management']['key']}"}
    for url in ("http://127.0.0.1:9/evil.mar", f"file://{tmp_path}/evil.mar", "../evil"):
        answer = httpx.post(f"{server.management_url}/models", params={"url": url}, headers=headers)
        assert answer.status_code == 404


def test_tokens_are_private_and_in_no_log(server: Serving) -> None:
    assert server.key_file.stat().st_mode & 0o777 == 0o600
    keys = json.loads(server.key_file.read_text())
    log = server.process.log_path.read_text()
    assert not any(entry["key"] in log for entry in keys.values())


def test_the_champion_is_swapped_under_load_without_a_failed_request(
    server: Serving, registry: LocalRegistry
) -> None:
    before = server.client.predict([photo()]).model.version
    after = "2" if before == "1" else "1"
    answered: Counter[str] = Counter()
    done = threading.Event()
    management = server.torchserve.management

    def load() -> None:
        client = server.client
        while not done.is_set():
            answered[client.predict([photo(), photo(1)]).model.version] += 1

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load) for _ in range(4)]
        try:
            _until(lambda: answered[before] > 20)
            registry.promote(after)
            _until(lambda: answered[after] > 20 and len(management.versions()) == 1)
        finally:
            done.set()
        for client in clients:
            client.result()
    assert set(answered) == {before, after}


def test_an_invalid_champion_is_rejected_and_the_old_one_stays(
    server: Serving, registry: LocalRegistry, tmp_path: Path
) -> None:
    before = server.client.predict([photo()]).model.version
    package = make_package(tmp_path / "bad", 3)
    (package / "model.onnx").write_bytes(b"damaged")
    bad = registry.register(package)
    registry.promote(bad)
    log = server.process.log_path
    try:
        _until(lambda: f"Version {bad} was rejected: model.onnx does not have" in log.read_text())
    finally:
        registry.promote(before)
    assert server.client.predict([photo()]).model.version == before


def test_a_killed_worker_is_replaced(server: Serving) -> None:
    killed = _workers(server)[0]
    killed.kill()
    # If it was processing a request, TorchServe may wait for the response timeout.
    _until(lambda: answers(server.home) and _workers(server)[0].pid != killed.pid, 120)


def test_no_process_survives_the_server_and_a_restart_needs_no_registry(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    with serving(tmp_path / "home", registry.url) as first:
        version = first.client.predict([photo()]).model.version
        _until(lambda: "Now serving version" in first.process.log_path.read_text())
        family = psutil.Process(first.process.pid).children(recursive=True)
        psutil.Process(first.process.pid).terminate()
        _until(lambda: first.process.exit_code == 0, 15)
        assert not any(process.is_running() for process in family)
        assert not first.key_file.exists()
    with serving(tmp_path / "home", "http://127.0.0.1:9") as second:
        assert second.client.predict([photo()]).model.version == version
        family = psutil.Process(second.process.pid).children(recursive=True)
        assert len(family) >= 3  # Java, the agent and a worker
        psutil.Process(second.process.pid).kill()
        _until(lambda: not any(process.is_running() for process in family), 15)


def test_the_server_exits_with_an_error_when_torchserve_dies(home: Path) -> None:
    def has_started(home: Path) -> bool:
        return key_file_path(home / "inference").exists()

    with serving(home, "sqlite:///nowhere.db", ready=has_started) as running:
        family = psutil.Process(running.process.pid).children(recursive=True)
        _java(running).kill()
        _until(lambda: running.process.exit_code is not None, 15)
        assert running.process.exit_code == 1
        assert "TorchServe exited unexpectedly" in running.process.log_path.read_text()
        assert not any(process.is_running() for process in family)
        with pytest.raises(ServiceUnavailable):
            running.client.predict([photo()])
