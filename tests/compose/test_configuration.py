"""The Compose files, as both versions of Compose read them."""

import json
import re

import pytest

from tests.compose.stack import Docker, Generations, Ports, Stack
from tests.e2e.running import PROJECT_ROOT

pytestmark = pytest.mark.timeout(4000)  # the first one builds Compose v2 if it is missing

WITH_GPU = ("docker-compose.yml", "compose.gpu.yml")


@pytest.mark.parametrize("files", [WITH_GPU[:1], WITH_GPU], ids=["cpu", "gpu"])
def test_the_configuration_is_clean(
    docker: Docker, compose: tuple[str, ...], files: tuple[str, ...]
) -> None:
    answer = Stack(docker, compose, "euguess-config", Ports.free(), files=files).try_run("config")
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert ("nvidia" in answer.stdout) == (files == WITH_GPU)


def test_published_ports_are_on_loopback_and_are_the_documented_ones(
    docker: Docker, generations: Generations
) -> None:
    if "2" not in generations:
        pytest.skip("only Docker Compose v2 prints JSON")
    ports = Ports(8700, 8701, 8703, 8708)
    stack = Stack(docker, generations["2"], "euguess-config", ports)
    services = json.loads(stack.run("config", "--format", "json"))["services"]
    published = {
        name: [(port["host_ip"], port["published"]) for port in service["ports"]]
        for name, service in services.items()
        if service.get("ports")
    }
    assert published == {
        "dashboard": [("127.0.0.1", "8700")],
        "sampler": [("127.0.0.1", "8701")],
        "inference": [("127.0.0.1", "8703")],
        "minio": [("127.0.0.1", "8708")],
    }


def test_pulled_images_are_pinned() -> None:
    lines = (PROJECT_ROOT / "docker-compose.yml").read_text().splitlines()
    images = {line.split(":", 1)[1].strip() for line in lines if line.strip().startswith("image:")}
    pulled = {image for image in images if not image.startswith("euguess/")}
    assert all(re.search(r":[\w.-]*\d[\w.-]*\}?$", image) for image in pulled)
    assert len(pulled) == 1


def test_every_service_gets_more_time_to_end_than_the_programs_take() -> None:
    text = (PROJECT_ROOT / "docker-compose.yml").read_text()
    common = text[: text.index("x-environment:")]
    seconds = re.search(r"stop_grace_period: (\d+)s", common)
    assert seconds is not None
    assert int(seconds[1]) > 10
    assert text.count("stop_grace_period") == 1
    services = text[text.index("\nservices:") : text.index("\nnetworks:")]
    assert len(re.findall(r"^  [a-z-]+:", services, re.MULTILINE)) == len(
        re.findall(r"^    <<: \*(service|trainer)$", services, re.MULTILINE)
    )
