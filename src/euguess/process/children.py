"""Ending processes without leftovers."""

import contextlib
import os
import signal
import subprocess
import time
from typing import Any

import psutil

POLL_SECONDS = 0.05
KILL_SECONDS = 5.0  # for the kernel to remove killed processes
ORPHAN_SECONDS = 1.0  # for descendants that end with their parent


def end_tree(process: "subprocess.Popen[Any] | psutil.Process", stop_seconds: float) -> None:
    """End a process and its descendants; harmless if it has ended.

    Only the process itself receives SIGTERM. Whatever is left after stop_seconds is killed.
    """
    if isinstance(process, subprocess.Popen) and process.poll() is not None:
        return  # its process id may belong to another process by now
    descendants = _descendants(process.pid)
    timeouts = (subprocess.TimeoutExpired, psutil.TimeoutExpired)
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        with contextlib.suppress(*timeouts):
            process.wait(stop_seconds)
        process.kill()
    for left in psutil.wait_procs(descendants, timeout=ORPHAN_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    with contextlib.suppress(*timeouts):
        process.wait(KILL_SECONDS)


def end_group(leader: "subprocess.Popen[Any]", stop_seconds: float) -> None:
    """End the leader of a process group, then the rest of its group.

    The leader receives SIGTERM first, so that it can end its own children in order, as Celery and
    TorchServe do. Then the group receives SIGTERM. Whatever is left after stop_seconds is killed.
    """
    leader.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        leader.wait(stop_seconds)
        if _group_lives(leader.pid):
            _signal_group(leader.pid, signal.SIGTERM)
            _wait_for_group(leader.pid, stop_seconds)
    kill_group(leader.pid)
    _wait_for_group(leader.pid, KILL_SECONDS)
    leader.wait(KILL_SECONDS)


def kill_group(group: int) -> None:
    """Kill all processes of a group; harmless if there are none."""
    _signal_group(group, signal.SIGKILL)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _wait_for_group(group: int, within_seconds: float) -> None:
    deadline = time.monotonic() + within_seconds
    while _group_lives(group) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, when only zombies are left
        return False
    # Zombies that nobody reaps, as under a container's PID 1, do not count.
    return any(_is_live_member(process, group) for process in psutil.process_iter(["status"]))


def _is_live_member(process: psutil.Process, group: int) -> bool:
    try:
        in_group = os.getpgid(process.pid) == group
    except (ProcessLookupError, PermissionError):
        return False
    return in_group and process.info["status"] != psutil.STATUS_ZOMBIE
