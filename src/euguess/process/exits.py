"""Run command lines: exit codes, and one line on standard error for known errors."""

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from euguess.errors import EUGuessError, Interrupted


def run_program(command_line: Callable[[], object], *, name: str) -> None:
    """Run the command line of this process like `run_command`; exit at once on failure.

    If the object store is unreachable, a late thread of its client can abort the interpreter during
    shutdown, which would change the exit code to 134.
    """
    try:
        run_command(command_line, name=name)
    except SystemExit as ended:
        if ended.code in (None, 0):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def run_command(command_line: Callable[[], object], *, name: str) -> None:
    """Run a command line; known errors and Ctrl-C exit with one line `name: text`.

    Exit codes: 2 for invalid input, 130 for Ctrl-C, 1 for other known errors.
    """
    try:
        command_line()
    except EUGuessError as error:
        _end(name, error)
    except KeyboardInterrupt:
        _end(name, Interrupted())
    except SystemExit as ended:
        if _is_interrupt(ended):
            _end(name, Interrupted())
        raise


def exit_after(seconds: float) -> None:
    """End this process after some seconds, whatever it does then. Call this when it has to stop.

    Servers that hang can hold up an orderly end for minutes.
    """
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _end(name: str, error: EUGuessError) -> NoReturn:
    sys.stderr.write(f"{name}: {error}\n")
    sys.exit(error.exit_code)


def _is_interrupt(ended: SystemExit) -> bool:
    """True if Typer turned a KeyboardInterrupt into this exit."""
    cause = ended.__context__
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause is not None
