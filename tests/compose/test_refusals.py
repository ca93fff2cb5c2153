"""Configuration mistakes: one clear message, and no restart loops."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compose.stack import Answer, Generations, NewStack, Stack, run

pytestmark = pytest.mark.timeout(4000)

VARIABLE = "EUGUESS_REDIS_PASSWORD_FILE"


def everything_said(stack: Stack, answer: Answer) -> str:
    return answer.stderr + answer.stdout + "".join(stack.logs(c) for c in stack.containers())


def assert_nothing_runs(stack: Stack) -> None:
    assert stack.running() == []
    assert [c.service for c in stack.containers() if c.restarts] == []


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("changeme", "placeholder"),
        ("<my-own>", "placeholder"),
        ("sh0rt", "too short"),
        ("", "empty"),
        ("two words", "blank"),
    ],
)
def test_an_invalid_secret_is_named_and_nothing_starts(
    new_stack: NewStack, compose: tuple[str, ...], tmp_path: Path, value: str, reason: str
) -> None:
    path = tmp_path / "redis_password"
    path.write_text(value)
    stack = new_stack(compose, **{VARIABLE: str(path)})
    answer = stack.try_run("up", "--detach", "redis")
    assert answer.returncode != 0
    assert_nothing_runs(stack)
    (line,) = stack.logs(stack.container("prepare")).splitlines()
    assert line.startswith(f"prepare: {VARIABLE} ")
    assert reason in line
    assert not value or value not in everything_said(stack, answer)


def test_a_missing_secret_file_is_named(
    new_stack: NewStack, compose: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "not-there"
    stack = new_stack(compose, **{VARIABLE: str(path)})
    answer = stack.try_run("up", "--detach", "redis")
    assert answer.returncode != 0
    assert_nothing_runs(stack)
    said = everything_said(stack, answer)
    assert str(path) in said or VARIABLE in said
    assert "Traceback" not in said


def test_a_small_disk_is_reported_before_anything_starts(
    new_stack: NewStack, compose: tuple[str, ...]
) -> None:
    stack = new_stack(compose, EUGUESS_MIN_FREE_GB="1000000")
    answer = stack.try_run("up", "--detach", "redis")
    assert answer.returncode != 0
    assert_nothing_runs(stack)
    (line,) = stack.logs(stack.container("prepare")).splitlines()
    assert "GB free" in line
    assert "EUGUESS_MIN_FREE_GB" in line


def test_a_taken_port_is_named_and_its_service_does_not_start(
    new_stack: NewStack, compose: tuple[str, ...]
) -> None:
    with taken_port() as port:
        stack = new_stack(compose)
        stack.ports = replace(stack.ports, minio_console=port)
        answer = stack.try_run("up", "--detach", "minio")
    assert answer.returncode != 0
    assert str(port) in answer.stderr
    assert_nothing_runs(stack)


def test_an_external_s3_server_requires_keys(new_stack: NewStack, compose: tuple[str, ...]) -> None:
    stack = new_stack(compose, EUGUESS_S3_ENDPOINT="http://other-store:8333")
    answer = stack.try_run("up", "--detach", "redis")
    assert answer.returncode != 0
    assert_nothing_runs(stack)
    (line,) = stack.logs(stack.container("prepare")).splitlines()
    assert "EUGUESS_S3_ACCESS_KEY_FILE" in line


def test_make_up_names_a_taken_port_and_its_variable(
    new_stack: NewStack, generations: Generations
) -> None:
    stack = new_stack(generations[max(generations)])
    with taken_port() as port:
        variables = replace(stack.ports, sampler=port).variables
        answer = run(("make", "up"), 120, COMPOSE_PROJECT_NAME=stack.project, **variables)
    assert answer.returncode != 0
    (line,) = [line for line in answer.stderr.splitlines() if "preflight" in line]
    assert f"port {port} is taken" in line
    assert "EUGUESS_SAMPLER_PORT=" in line
    assert stack.containers() == []
