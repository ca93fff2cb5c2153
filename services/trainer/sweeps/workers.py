"""Several processes of this machine at work on one sweep."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from euguess.errors import EUGuessError
from euguess.process.children import end_tree
from services.trainer.sweeps.trials import POLL_SECONDS

STOP_SECONDS = 10.0  # for a worker to put its trial back


def run_workers(
    count: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    look: Callable[[], None],
) -> None:
    """Start them, look now and then, and return when all have ended; their logs are in folder.

    Raises EUGuessError when all of them failed: what one leaves, the others take over.
    """
    logs = [folder / f"worker-{number}.log" for number in range(1, count + 1)]
    with _started(command, environment, logs) as processes:
        while any(process.poll() is None for process in processes):
            look()
            time.sleep(POLL_SECONDS)
    look()
    if all(process.returncode for process in processes):
        raise EUGuessError(f"All {count} workers failed; {logs[0]} ends with: {_end_of(logs[0])}")


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], logs: Sequence[Path]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for log in logs:
            with log.open("wb") as file:
                processes.append(
                    subprocess.Popen(
                        command, env=environment, stdout=file, stderr=subprocess.STDOUT
                    )
                )
        yield processes
    finally:
        for process in processes:
            end_tree(process, STOP_SECONDS)


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
