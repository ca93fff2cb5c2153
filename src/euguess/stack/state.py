"""Files in a home that record the running stack, so that commands can find and stop it."""

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


def record_processes(home: Path, servers: Mapping[str, int], troubles: Mapping[str, str]) -> None:
    """Record the process ids of the servers and of this process, which supervises them.

    `troubles` says what is wrong with servers, by name.
    """
    processes = {"euguess": os.getpid(), **servers}
    started = {name: _start_time(pid) for name, pid in processes.items()}
    state = json.dumps({"pids": processes, "started": started, "troubles": dict(troubles)})
    write_atomically(home / STATE_FILE, state, mode=0o600)


def publish_addresses(home: Path, variables: Mapping[str, str]) -> None:
    """Write the addresses of the services. The file holds passwords: only the owner can read it."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    write_atomically(home / ENV_FILE, lines, mode=0o600)


def remove_state(home: Path) -> None:
    """Remove the files of a stack that has ended."""
    for name in (ENV_FILE, STATE_FILE):
        (home / name).unlink(missing_ok=True)


def running_stack(home: Path) -> int | None:
    """Return the process id of the command that supervises the stack of a home, if any."""
    return _recorded(home).get("euguess")


def stack_troubles(home: Path) -> dict[str, str]:
    """Return what is wrong with servers of the running stack of a home, by name."""
    if running_stack(home) is None:
        return {}
    troubles: dict[str, str] = json.loads((home / STATE_FILE).read_text()).get("troubles", {})
    return troubles


def end_stack(home: Path) -> bool:
    """Stop the stack and its leftovers. Return False if there was nothing to stop."""
    processes = _recorded(home)
    supervisor = processes.pop("euguess", None)
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            end_tree(psutil.Process(supervisor), END_SECONDS)
    left = {name: pid for name, pid in _recorded(home).items() if name != "euguess"}
    for pid in left.values():
        kill_group(pid)
    remove_state(home)
    return supervisor is not None or bool(left)


def _recorded(home: Path) -> dict[str, int]:
    """Return the recorded processes that still run. A reused process id does not count."""
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
