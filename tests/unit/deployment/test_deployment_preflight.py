"""Preflight checks: each problem takes one line that says what to do."""

import ast
import importlib.util
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "preflight.py"
Write = Callable[..., dict[str, str]]


@pytest.fixture
def preflight() -> ModuleType:
    spec = importlib.util.spec_from_file_location("preflight", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def engine(tmp_path: Path) -> Write:
    """Fake docker and compose programs with scripted answers."""

    def write(**answers: str) -> dict[str, str]:
        for name in ("docker", "compose"):
            cases = "".join(
                f"{key.removeprefix(name + '_')}) {answer};;\n"
                for key, answer in answers.items()
                if key.startswith(name)
            )
            path = tmp_path / name
            path.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}*) true;;\nesac\n')
            path.chmod(0o755)
        return {"DOCKER": str(tmp_path / "docker"), "COMPOSE": str(tmp_path / "compose")}

    return write


def ports(first: int, *, taken: int | None = None) -> dict[str, str]:
    names = ("SAMPLER", "INFERENCE", "MINIO_CONSOLE")
    chosen = {f"EUGUESS_{name}_PORT": str(number) for number, name in enumerate(names, 1)}
    # 1 to 3: nothing listens there, and a missing permission is not a problem.
    return {**chosen, "EUGUESS_DASHBOARD_PORT": str(taken or first)}


def test_a_ready_machine_has_no_problems(
    preflight: ModuleType, engine: Write, free_port: int
) -> None:
    variables = {**engine(compose_version="echo 2.40.3"), **ports(free_port)}
    assert list(preflight.problems_of_variables(variables)) == []
    assert list(preflight.problems_of_docker(variables)) == []


def test_a_port_taken_by_another_program_names_its_variable(
    preflight: ModuleType, engine: Write, free_port: int, taken_port: int
) -> None:
    variables = {**engine(), **ports(free_port, taken=taken_port)}
    (problem,) = preflight.problems_of_docker(variables)
    assert f"port {taken_port} is taken by another program" in problem
    assert "EUGUESS_DASHBOARD_PORT=" in problem


def test_a_port_taken_by_another_container_names_the_container(
    preflight: ModuleType, engine: Write, free_port: int, taken_port: int
) -> None:
    fake = engine(docker_ps="echo abc other_web_1", compose_ps="echo def")
    (problem,) = preflight.problems_of_docker({**fake, **ports(free_port, taken=taken_port)})
    assert "taken by the container other_web_1; stop it" in problem


def test_a_port_used_by_the_stack_itself_is_no_problem(
    preflight: ModuleType, engine: Write, free_port: int, taken_port: int
) -> None:
    fake = engine(docker_ps="echo abc euguess_dashboard_1", compose_ps="echo def; echo abc")
    variables = {**fake, **ports(free_port, taken=taken_port)}
    assert list(preflight.problems_of_docker(variables)) == []


def test_an_address_of_another_machine_is_refused(
    preflight: ModuleType, engine: Write, free_port: int
) -> None:
    variables = {**engine(), **ports(free_port), "EUGUESS_BIND": "192.0.2.1"}
    (problem,) = preflight.problems_of_docker(variables)
    assert "192.0.2.1 is not an address of this machine" in problem


def test_ports_of_a_remote_engine_are_not_checked(
    preflight: ModuleType, engine: Write, free_port: int, taken_port: int
) -> None:
    variables = {**engine(), **ports(free_port, taken=taken_port), "DOCKER_HOST": "ssh://there"}
    assert list(preflight.problems_of_docker(variables)) == []


def test_a_small_disk_names_ways_to_free_space(
    preflight: ModuleType, engine: Write, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=3 * 2**30))
    (problem,) = preflight.problems_of_docker({**engine(), **ports(free_port)})
    assert "3.0 GB free, less than the 5 GB of EUGUESS_MIN_FREE_GB" in problem


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"docker_version": "echo refused >&2; exit 1"}, "does not respond; start it"),
        ({"docker_version": "echo permission denied >&2; exit 1"}, "add yourself to its group"),
        ({"compose_version": "exit 1"}, "Docker Compose is missing"),
        ({"compose_version": "echo 1.25.0"}, "is version 1.25.0, too old"),
        ({"compose_config": "echo no such key >&2; exit 1"}, "variables: no such key"),
    ],
)
def test_each_docker_problem_says_what_to_do(
    preflight: ModuleType, engine: Write, free_port: int, answers: dict[str, str], problem: str
) -> None:
    (found,) = preflight.problems_of_docker({**engine(**answers), **ports(free_port)})
    assert problem in found


def test_a_missing_docker_is_named(preflight: ModuleType) -> None:
    (problem,) = preflight.problems_of_docker({"DOCKER": "no-such-docker"})
    assert "Docker is missing; install" in problem


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"EUGUESS_REDIS_PASSWORD_FILE": "/missing"}, "which does not exist"),
        ({"EUGUESS_REDIS_PASSWORD_FILE": "/usr"}, "names the folder /usr"),
        ({"EUGUESS_REDIS_PASSWORD_FILE": "password"}, "must begin with / or ./"),
        ({"EUGUESS_SAMPLER_PORT": "eight"}, "is not a port"),
        ({"EUGUESS_SAMPLER_PORT": "8700"}, "are both 8700"),
        ({"EUGUESS_MIN_FREE_GB": "much"}, "is not a number"),
    ],
)
def test_each_invalid_variable_is_named(
    preflight: ModuleType, variables: dict[str, str], problem: str
) -> None:
    (found,) = preflight.problems_of_variables(variables)
    assert found.startswith(next(iter(variables)))
    assert problem in found


def test_an_empty_secret_is_named(preflight: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    variables = {"EUGUESS_GOOGLE_KEY_FILE": str(tmp_path / "key")}
    (problem,) = preflight.problems_of_variables(variables)
    assert "which is empty; write the value into it" in problem


def test_an_external_s3_server_requires_both_keys(preflight: ModuleType) -> None:
    problems = list(preflight.problems_of_variables({"EUGUESS_S3_ENDPOINT": "https://s3.test"}))
    assert [problem.split("let ")[1].split()[0] for problem in problems] == [
        "EUGUESS_S3_ACCESS_KEY_FILE",
        "EUGUESS_S3_SECRET_KEY_FILE",
    ]


def test_the_env_file_is_parsed_as_compose_does(preflight: ModuleType, tmp_path: Path) -> None:
    lines = ["# ours", "EUGUESS_BIND=0.0.0.0 # all", "export A='x # y'", "", 'B = "z"', "nonsense"]
    (tmp_path / ".env").write_text("\n".join(lines))
    found = preflight.read_env_file(tmp_path / ".env")
    assert found == {"EUGUESS_BIND": "0.0.0.0", "A": "x # y", "B": "z"}


def test_addresses_follow_the_variables(preflight: ModuleType) -> None:
    text = preflight.addresses({"EUGUESS_BIND": "0.0.0.0", "EUGUESS_DASHBOARD_PORT": "9000"})
    assert "http://127.0.0.1:9000\n" in text
    assert "http://127.0.0.1:8703/predictions/euguess" in text


def test_the_script_runs_on_python_3_9() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
