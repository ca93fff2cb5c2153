"""Fixtures that build the images, start the containers with Compose and remove them."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from euguess.settings import child_environment
from tests.compose.stack import HERE, MINIO_IMAGE, Docker, Generations, NewStack, Stack, run
from tests.support.requirements import Requirement, skip_without

IMAGES_SECONDS = 2400  # from scratch, on two cores
FIRST_RUN_SECONDS = 900
GO_SECONDS = 1200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--built", action="store_true", help="Use the existing images")


@pytest.fixture(scope="session")
def docker() -> Docker:
    """A client with BuildKit, connected to a running engine."""
    if shutil.which("docker") is None or run(("docker", "info"), 60).returncode != 0:
        reason = "no Docker engine is running; as root, `make e2e-compose` installs and starts one"
        if os.geteuid() == 0:
            pytest.fail(reason)
        skip_without(Requirement.DOCKER, reason)
    client = run((str(HERE / "engine.sh"), "client"), 60)
    assert client.returncode == 0, client.stderr
    return Docker(client.stdout.strip())


@pytest.fixture(scope="session")
def generations(docker: Docker) -> Generations:
    """Compose commands by major version, "1" and "2"; a missing one is left out."""
    found: Generations = {}
    for command in (("docker", "compose"), ("docker-compose",)):
        answer = run((*command, "version", "--short"), 60) if shutil.which(command[0]) else None
        if answer is not None and answer.returncode == 0:
            found.setdefault(answer.stdout.strip().removeprefix("v")[0], command)
    if "2" not in found:
        built = run((str(HERE / "compose.sh"),), GO_SECONDS)
        if built.returncode == 0:
            found["2"] = (built.stdout.strip(),)
    return found


@pytest.fixture(params=["1", "2"])
def compose(request: pytest.FixtureRequest, generations: Generations) -> tuple[str, ...]:
    """Each major version of Compose in turn."""
    if request.param not in generations:
        skip_without(Requirement.DOCKER, f"Compose v{request.param} is not installed")
    return generations[request.param]


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest, docker: Docker) -> None:
    """Build all images from their Dockerfiles; cached layers are reused."""
    if request.config.getoption("--built"):
        return
    certificates = child_environment().get("SSL_CERT_FILE", "")
    options = [f"DOCKER={docker.program}", "MINIO=yes", "ALLOW_UPSTREAM=yes"]
    if Path(certificates).is_file():
        options.append(f"CA_BUNDLE={certificates}")
    built = run(("make", "images", *options), IMAGES_SECONDS)
    if built.returncode != 0:
        pytest.fail(built.stderr[-3000:], pytrace=False)


@pytest.fixture(scope="session")
def given_secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files with secrets given by the user, with characters that a URL must escape."""
    folder = tmp_path_factory.mktemp("secrets")
    values = {
        "redis_password": f"{secrets.token_hex(8)}@/:#%?&",
        "google_key": f"AIza-{secrets.token_hex(16)}",
    }
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")
    return {f"EUGUESS_{name.upper()}_FILE": folder / name for name in values}


def _project() -> str:
    return f"euguess-test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def stack(
    docker: Docker, generations: Generations, images: None, given_secrets: dict[str, Path]
) -> Iterator[Stack]:
    """The full stack after its first run, started with the oldest Compose available."""
    assert generations, "Docker Compose is not installed"
    variables = {name: str(path) for name, path in given_secrets.items()}
    variables |= {"EUGUESS_MINIO_IMAGE": MINIO_IMAGE}
    whole = Stack(docker, generations[min(generations)], _project(), variables=variables)
    try:
        whole.run("up", "--detach")
        whole.wait_until_ended("first-run", FIRST_RUN_SECONDS)
        yield whole
    finally:
        whole.remove()
    assert whole.containers() == []
    assert whole.volumes() == set()
    assert whole.networks() == set()


@pytest.fixture
def new_stack(docker: Docker, images: None) -> Iterator[NewStack]:
    """Factory of further, empty stacks."""
    made: list[Stack] = []

    def make(compose: tuple[str, ...], *files: str, **variables: str) -> Stack:
        variables["EUGUESS_MINIO_IMAGE"] = MINIO_IMAGE
        names = ("docker-compose.yml", *files)
        made.append(Stack(docker, compose, _project(), variables=variables, files=names))
        return made[-1]

    yield make
    for stack in made:
        stack.remove()
