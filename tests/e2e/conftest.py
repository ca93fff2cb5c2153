"""A full stack, started with the command that users run."""

import signal
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from euguess.settings import child_environment
from tests.e2e.running import (
    EUGUESS,
    PROJECT_ROOT,
    DemoStack,
    eventually,
    free_port_base,
    processes_of,
)
from tests.support.browser import opened_browser

DEMO_SECONDS = 900
END_SECONDS = 60


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser page shared by a module's tests."""
    with opened_browser() as page:
        yield page


@pytest.fixture(scope="session")
def demo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    """`euguess up --demo`, stopped with Ctrl-C after the last test that uses it."""
    folder = tmp_path_factory.mktemp("demo")
    home, log, base = folder / "home", folder / "output.log", free_port_base()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*EUGUESS, "up", "--demo", "--port-base", str(base)],
            env=child_environment(EUGUESS_HOME=str(home), COLUMNS="160"),
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    stack = DemoStack(home, base, process, log)
    try:
        eventually(
            lambda: "Press Ctrl-C" in stack.output or process.poll() is not None,
            DEMO_SECONDS,
            "the demonstration",
        )
        assert process.poll() is None, stack.output[-5000:]
        yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(END_SECONDS)
    assert processes_of(home) == []
