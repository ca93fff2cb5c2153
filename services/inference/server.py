"""How TorchServe is started: Java itself, since TorchServe's launcher passes no signals on."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from euguess.errors import ProgramMissing
from services.inference.configuration import (
    LOG4J2_XML,
    ServingOptions,
    config_properties,
    key_file_path,
)

HEAP = ("-Xmx512m", "-XX:+UseSerialGC")  # the default heap is a quarter of the machine's memory


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


def torchserve_command(java: Path, options: ServingOptions, temporary: Path) -> Command:
    """TorchServe with its sockets in `temporary`, whose path must be short (a socket's limit).

    Raises ProgramMissing when TorchServe is not installed.
    """
    packages = _site_packages()
    argv = (
        str(java),
        f"-Dmodel_server_home={packages}",
        f"-Dlog4j.configurationFile=file://{options.log_config_path}",
        f"-Djava.io.tmpdir={temporary}",
        *HEAP,
        "-cp",
        f"{packages / 'ts' / 'frontend'}/*",
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(options.config_path),
        "-s",
        str(options.store),
        "-ncs",  # else a snapshot of each change is written, and read at the next start
    )
    env = {
        "TEMP": str(temporary),
        "TMPDIR": str(temporary),
        "TS_CONFIG_FILE": str(options.config_path),  # beats the argument when it is set
    }
    return Command("TorchServe", argv, options.home, env)


def prepare_home(options: ServingOptions) -> None:
    """Make the private working directory; tokens of an earlier run are removed."""
    options.home.mkdir(parents=True, exist_ok=True)
    options.home.chmod(0o700)
    options.store.mkdir(exist_ok=True)
    key_file_path(options.home).unlink(missing_ok=True)
    for leftover in options.store.glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
    options.config_path.write_text(config_properties(options))
    options.log_config_path.write_text(LOG4J2_XML)


def _site_packages() -> Path:
    spec = find_spec("ts")
    if spec is None or spec.origin is None:
        raise ProgramMissing(
            'TorchServe is not installed; get it with pip install "euguess[inference]".'
        )
    return Path(spec.origin).parents[1]
