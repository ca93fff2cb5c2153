"""The job that makes a new stack useful: the demonstration, once."""

from euguess.cli.demo import run_demo_once
from euguess.process.exits import run_program
from euguess.settings import Settings
from euguess.terminal.output import console

OFF = ("off", "no", "false", "0")


class FirstRunSettings(Settings):
    """Whether it is wanted."""

    first_run: str = "on"


def main() -> None:
    """Run the demonstration unless EUGUESS_FIRST_RUN is off."""
    if FirstRunSettings.load().first_run.lower() in OFF:
        console.print("EUGUESS_FIRST_RUN is off; nothing to do.")
        return
    run_demo_once()


if __name__ == "__main__":
    run_program(main, name="first-run")
