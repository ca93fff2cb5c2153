"""What a running stack leaves in its home, so that commands find it and nothing outlives it."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from euguess.process.children import end_tree, kill_group
from euguess.process.files import write_atomically

STATE_FILE = "stack.json"
ENV_FILE = "stack.env"
END_SECONDS = 30.0


def record_processes(home: Path, servers: Mapping[str, int]) -> None:
    """Note the process ids of the servers and of this process, which keeps them running."""
    processes = {"euguess": os.getpid(), **servers}
    started = {name: _start_time(pid) for name, pid in processes.items()}
    state = json.dumps({"pids": processes, "started": started})
    write_atomically(home / STATE_FILE, state, mode=0o600)


def publish_addresses(home: Path, variables: Mapping[str, str]) -> None:
    """Write where the stack's services are; for the owner only, since it holds passwords."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    write_atomically(home / ENV_FILE, lines, mode=0o600)


def remove_state(home: Path) -> None:
    """Forget a stack that has ended."""
    for name in (ENV_FILE, STATE_FILE):
        (home / name).unlink(missing_ok=True)


def running_stack(home: Path) -> int | None:
    """Process id of the command that keeps the home's stack running, if one does."""
    return _recorded(home).get("euguess")


def end_stack(home: Path) -> bool:
    """Ask the stack to end, then end whatever it left behind; False when there was nothing."""
    processes = _recorded(home)
    keeper = processes.pop("euguess", None)
    if keeper is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            end_tree(psutil.Process(keeper), END_SECONDS)
    left = {name: pid for name, pid in _recorded(home).items() if name != "euguess"}
    for pid in left.values():
        kill_group(pid)
    remove_state(home)
    return keeper is not None or bool(left)


def _recorded(home: Path) -> dict[str, int]:
    """Recorded processes that still live; a process id that was given anew does not count."""
    try:
        state = json.loads((home / STATE_FILE).read_text())
    except FileNotFoundError:
        return {}
    started = state["started"]
    return {n: pid for n, pid in state["pids"].items() if _start_time(pid) == started[n]}


def _start_time(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
