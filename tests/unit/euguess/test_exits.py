"""Exit codes and error lines of programs."""

import signal
import subprocess
import sys

import pytest
import typer

from euguess.errors import (
    EUGuessError,
    Interrupted,
    InvalidInput,
    InvalidRecipe,
    ServiceUnavailable,
)
from euguess.process.exits import run_command

SLEEPER = """
import signal, time, typer
from euguess.process.exits import run_program

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it

def sleep() -> None:
    print("started", flush=True)
    time.sleep(60)

app = typer.Typer()
app.command()(sleep)
run_program(app, name="sleeper")
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EUGuessError("wrong"), 1),
        (ServiceUnavailable("wrong"), 1),
        (InvalidInput("wrong"), 2),
        (InvalidRecipe("wrong"), 2),
        (Interrupted("wrong"), 130),
    ],
)
def test_a_known_error_becomes_an_exit_code_and_one_line(
    error: EUGuessError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(lambda: app([]), name="program")
    assert ended.value.code == code
    assert capsys.readouterr().err == "program: wrong\n"


def test_a_commands_own_exit_code_is_kept_without_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()

    @app.command()
    def leave() -> None:
        raise typer.Exit(130)

    with pytest.raises(SystemExit) as ended:
        run_command(lambda: app([]), name="program")
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""


def test_ctrl_c_ends_a_program_with_130_and_one_line() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error == "sleeper: Stopped.\n"


def test_a_process_that_has_to_stop_ends_even_if_it_hangs() -> None:
    code = (
        "import time; from euguess.process.exits import exit_after; exit_after(0.1); time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 1
