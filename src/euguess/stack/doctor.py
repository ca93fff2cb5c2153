"""Check whether this machine has everything that EUGuess needs."""

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from euguess.errors import EUGuessError, ProgramMissing
from euguess.process.ports import is_free
from euguess.process.programs import Program, find_java, find_redis
from euguess.settings import HomeSettings, ServiceSettings
from euguess.stack.plan import DEFAULT_PORT_BASE, PORT_COUNT, Port
from euguess.stack.state import running_stack, stack_troubles

NEEDED_DISK_GB = 5.0
EXTRAS = {
    "sampler": "fastapi",
    "fetcher": "aiohttp",
    "simulator": "simplejpeg",
    "trainer": "torchvision",
    "inference": "ts",
    "dashboard": "streamlit",
}


@dataclass(frozen=True, slots=True)
class Check:
    """A requirement, what was found, and what to do if it is missing."""

    part: str
    is_there: bool
    found: str
    advice: str = ""
    is_needed: bool = True

    def as_dict(self) -> dict[str, str | bool]:
        return asdict(self)


def examine() -> list[Check]:
    """Check everything that `euguess up` needs, without starting anything."""
    programs = {"Redis": find_redis, "Java": find_java}
    return [
        _python(),
        *(_program(part, find) for part, find in programs.items()),
        *(_extra(service, module) for service, module in EXTRAS.items()),
        _ports(),
        _disk(),
        _gpu(),
        *_troubles(),
    ]


def _python() -> Check:
    is_there = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("Python", is_there, platform.python_version(), "Python 3.11, 3.12 or 3.13")


def _program(part: str, find: Callable[[], Program]) -> Check:
    try:
        program = find()
    except ProgramMissing as error:
        return Check(part, False, "", str(error))
    return Check(part, True, f"{program.name} {program.version} ({program.origin})")


def _extra(service: str, module: str) -> Check:
    is_there = importlib.util.find_spec(module) is not None
    advice = "" if is_there else f'pip install "euguess[{service}]"'
    return Check(f"{service} packages", is_there, module if is_there else "", advice)


def _ports() -> Check:
    try:
        supervisor = running_stack(HomeSettings().home.resolve())
    except (EUGuessError, OSError):
        supervisor = None
    if supervisor is not None:
        part = _ports_from(_running_port_base())
        return Check(part, True, f"in use by the running stack (process {supervisor})")
    ports = range(DEFAULT_PORT_BASE, DEFAULT_PORT_BASE + PORT_COUNT)
    taken = [str(port) for port in ports if not is_free(port)]
    advice = "choose others: euguess up --port-base N" if taken else ""
    found = f"in use: {', '.join(taken)}" if taken else "free"
    return Check(_ports_from(DEFAULT_PORT_BASE), not taken, found, advice)


def _running_port_base() -> int | None:
    """Return the first port of the running stack; None while it starts."""
    port = urlsplit(ServiceSettings.load().dashboard_url).port
    return None if port is None else port - Port.DASHBOARD


def _ports_from(base: int | None) -> str:
    return "ports" if base is None else f"ports {base}-{base + PORT_COUNT - 1}"


def _disk() -> Check:
    free_gb = shutil.disk_usage(HomeSettings().home.resolve().parent).free / 1e9
    is_there = free_gb >= NEEDED_DISK_GB
    advice = "" if is_there else f"free {NEEDED_DISK_GB:g} GB, or set EUGUESS_HOME"
    return Check("disk space", is_there, f"{free_gb:.0f} GB free", advice)


def _gpu() -> Check:
    is_there = shutil.which("nvidia-smi") is not None
    found = "NVIDIA driver" if is_there else "none; the CPU trains and serves"
    return Check("GPU", is_there, found, is_needed=False)


def _troubles() -> list[Check]:
    """List the servers of the running stack that do not run as they should."""
    try:
        troubles = stack_troubles(HomeSettings().home.resolve())
    except OSError:
        return []
    advice = "read that log; the stack keeps trying to start it"
    return [Check(name, False, what, advice) for name, what in troubles.items()]
