"""Find the services in the checkout, and run one as a program."""

import subprocess
import sys
from pathlib import Path

from euguess.errors import EUGuessError, Interrupted
from euguess.settings import child_environment

# Threads of a computation sleep while they wait for each other. By default they spin, which took
# four times the CPU on two cores that other processes used as well.
SERVICE_VARIABLES = {"OMP_WAIT_POLICY": "PASSIVE"}


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


def run_service(service: str, *arguments: str) -> int:
    """Run a service's own command line in the foreground and return its exit code."""
    command = service_command(service, *arguments)
    try:
        return subprocess.run(command, env=service_environment(), check=False).returncode
    except KeyboardInterrupt:
        return Interrupted.exit_code  # the service reports it
