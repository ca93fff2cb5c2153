"""`make backup`, loss of all volumes, `make restore`: the stack resumes where it was."""

from pathlib import Path

import pytest

from tests.compose.clients import dataset_status, inference_client, stored_views
from tests.compose.stack import Stack, run

pytestmark = pytest.mark.timeout(4000)

MAKE_SECONDS = 300


def make(stack: Stack, target: str, *variables: str) -> None:
    """Run a Makefile target on the volumes of a stack."""
    of_stack = {**stack.ports.variables, **stack.variables, "DOCKER": stack.docker.program}
    of_stack["COMPOSE_PROJECT_NAME"] = stack.project
    words = ("make", target, f"COMPOSE={' '.join(stack.compose)}", *variables)
    answer = run(words, MAKE_SECONDS, **of_stack)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_backup_restores_a_stack_whose_volumes_are_gone(stack: Stack, tmp_path: Path) -> None:
    before = dataset_status(stack, "demo")
    views = stored_views(stack, "demo-new-places")

    make(stack, "backup", f"TO={tmp_path}")
    (saved,) = tmp_path.iterdir()
    assert saved.stat().st_mode & 0o077 == 0  # contains secrets
    assert {c.service for c in stack.running()} >= {"sampler", "fetcher", "inference", "dashboard"}
    stack.run("down", "--volumes")
    assert stack.volumes() == set()
    make(stack, "restore", f"FROM={saved}")

    stack.run("up", "--detach")
    stack.wait_until_ended("first-run", 120)
    assert "There is a champion" in stack.logs(stack.container("first-run"))
    assert dataset_status(stack, "demo") == before
    assert stored_views(stack, "demo-new-places") == views
    stack.wait_until_healthy("inference", "dashboard", "trainer", "fetcher")
    with inference_client(stack, tmp_path) as client:
        assert client.predict(views).model.dataset == "demo"
