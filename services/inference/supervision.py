"""Runs TorchServe and its agent as one unit: either both run, or neither."""

import contextlib
import ctypes
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from euguess.errors import ServiceUnavailable
from euguess.process.children import end_tree
from euguess.process.locks import folder_lock
from euguess.process.ports import require_free
from euguess.settings import child_environment
from services.inference.configuration import ServingOptions, key_file_path
from services.inference.readiness import write_addresses
from services.inference.server import (
    ClientToken,
    Command,
    prepare_home,
    torchserve_command,
)

CHECK_SECONDS = 0.25
STOP_SECONDS = 7.0  # TorchServe takes 4 s to stop its workers
AGENT_STOP_SECONDS = 1.0
AGENT_PAUSE_SECONDS = 5.0
SET_PARENT_DEATH_SIGNAL = 1  # prctl

log = logging.getLogger(__name__)


def serve(java: Path, options: ServingOptions, agent: Command) -> None:
    """Run both until SIGTERM or SIGINT.

    Raises PortInUse if a port is taken, ServiceUnavailable if TorchServe exits by itself.
    """
    require_free("TorchServe", options.ports)
    busy = ServiceUnavailable(f"Another TorchServe already runs in {options.home}.")
    with (
        folder_lock(options.home, busy=busy),
        _stop_signal() as stopping,
        tempfile.TemporaryDirectory(prefix="euguess-ts-") as short,
    ):
        prepare_home(options)
        write_addresses(options)
        command = torchserve_command(java, options, Path(short))
        try:
            with _running(command, STOP_SECONDS) as torchserve:
                _watch(torchserve, agent, stopping, ClientToken(options))
        finally:
            key_file_path(options.home).unlink(missing_ok=True)


def _watch(
    torchserve: "subprocess.Popen[bytes]",
    agent: Command,
    stopping: threading.Event,
    token: ClientToken,
) -> None:
    while not stopping.is_set():
        with _running(agent, AGENT_STOP_SECONDS) as follower:
            while follower.poll() is None and not stopping.wait(CHECK_SECONDS):
                if torchserve.poll() is not None:
                    raise ServiceUnavailable(
                        f"TorchServe exited unexpectedly with code {torchserve.returncode}."
                    )
                token.share()
        if not stopping.is_set():
            log.error("The model agent exited with code %s; restarting it.", follower.returncode)
            stopping.wait(AGENT_PAUSE_SECONDS)


@contextlib.contextmanager
def _running(command: Command, stop_seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a child process inside the block, and end it and its descendants afterwards."""
    process = subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=child_environment(**command.env),
        stdin=subprocess.DEVNULL,
        preexec_fn=_tether(),
    )
    try:
        yield process
    finally:
        end_tree(process, stop_seconds)


def _tether() -> Callable[[], None] | None:
    """Have Linux end a child whose parent was killed; on other systems it survives."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Provide an event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(number, lambda *_: stopping.set()) for number in numbers]
    try:
        yield stopping
    finally:
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)
