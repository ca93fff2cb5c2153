"""The job that makes a new stack useful: the demonstration, once."""

import sys

from euguess.cli.demo import run_demo_once
from euguess.errors import EUGuessError
from euguess.process.exits import run_program
from euguess.settings import Settings
from euguess.terminal.output import console

OFF = ("off", "no", "false", "0")


class FirstRunSettings(Settings):
    """Whether it is wanted."""

    first_run: str = "on"


def main() -> None:
    """Known errors end in one line on standard error."""
    if FirstRunSettings.load().first_run.lower() in OFF:
        console.print("EUGUESS_FIRST_RUN is off; nothing to do.")
        return
    try:
        run_demo_once()
    except EUGuessError as error:
        sys.stderr.write(f"first-run: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    run_program(main)
