"""TorchServe's command and working directory.

Java is started directly, since TorchServe's launcher does not pass signals on.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from euguess.errors import ProgramMissing
from euguess.process.files import write_atomically
from services.inference.configuration import (
    LOG4J2_XML,
    ServingOptions,
    config_properties,
    key_file_path,
)

HEAP = ("-Xmx512m", "-XX:+UseSerialGC")  # the default is a quarter of the machine's memory


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


def torchserve_command(java: Path, options: ServingOptions, temporary: Path) -> Command:
    """Return the command of TorchServe, which puts its sockets into `temporary`.

    The path must be short enough for a socket. Raises ProgramMissing if TorchServe is missing.
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
        "-ncs",  # else TorchServe writes a snapshot of each change and reads it at the next start
    )
    env = {
        "TEMP": str(temporary),
        "TMPDIR": str(temporary),
        "TS_CONFIG_FILE": str(options.config_path),  # takes precedence over the argument
    }
    return Command("TorchServe", argv, options.home, env)


def prepare_home(options: ServingOptions) -> None:
    """Prepare the private working directory, and remove tokens of an earlier run."""
    options.home.mkdir(parents=True, exist_ok=True)
    options.home.chmod(0o700)
    options.store.mkdir(exist_ok=True)
    key_file_path(options.home).unlink(missing_ok=True)
    for leftover in options.store.glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
    options.config_path.write_text(config_properties(options))
    options.log_config_path.write_text(LOG4J2_XML)


class ClientToken:
    """Copies the inference token to a file for clients; the management token stays private."""

    def __init__(self, options: ServingOptions) -> None:
        self._source = key_file_path(options.home)
        self._target = options.client_token
        self._is_shared = False

    def share(self) -> None:
        """Write the token as soon as TorchServe has created it, and only once."""
        if self._is_shared or self._target is None or not self._source.exists():
            return
        try:
            keys = json.loads(self._source.read_text())
        except ValueError:  # TorchServe is still writing it
            return
        token = json.dumps({"inference": keys["inference"]})
        write_atomically(self._target, token, mode=0o644)
        self._is_shared = True


def _site_packages() -> Path:
    spec = find_spec("ts")
    if spec is None or spec.origin is None:
        raise ProgramMissing(
            'TorchServe is not installed. Install it: pip install "euguess[inference]"'
        )
    return Path(spec.origin).parents[1]
