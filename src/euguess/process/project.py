"""Find the services in the checkout, and run one as a program."""

import sys
from pathlib import Path

from euguess.errors import EUGuessError
from euguess.process.guard import run_child
from euguess.settings import child_environment

# Threads of a computation sleep while they wait for each other. By default they spin, which took
# four times the CPU on two cores that other processes used as well.
SERVICE_VARIABLES = {"OMP_WAIT_POLICY": "PASSIVE"}
CTRL_C_SECONDS = 5.0
PROGRAM_VARIABLE = "EUGUESS_PROGRAM"


def project_root() -> Path:
    """Return the folder with `services/`, above the working directory or else above this file."""
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if (folder / "services").is_dir() and (folder / "pyproject.toml").is_file():
                return folder
    raise EUGuessError(
        "Could not find the services of EUGuess. Run this in a checkout of the project."
    )


def service_command(service: str, *arguments: str) -> list[str]:
    """Return the command that runs a service with this Python."""
    return [sys.executable, "-m", f"services.{service}", *arguments]


def service_environment(**variables: str) -> dict[str, str]:
    """Return an environment in which any working directory can import the services."""
    return child_environment(**SERVICE_VARIABLES, PYTHONPATH=str(project_root()), **variables)


def run_service(service: str, *arguments: str, program: str = "euguess") -> int:
    """Run a service's own command line in the foreground and return its exit code.

    program: what the user typed before the arguments; help and errors name it.

    After Ctrl-C it has a few seconds to report that and end by itself.
    """
    command = service_command(service, *arguments)
    code = run_child(
        command, service_environment(**{PROGRAM_VARIABLE: program}), ctrl_c_seconds=CTRL_C_SECONDS
    )
    return code if code >= 0 else 128 - code  # as shells count processes that a signal ended
