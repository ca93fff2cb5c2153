"""Readiness by a real prediction: /ping reports Healthy even while every worker crashes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from euguess.clients import InferenceClient
from euguess.messages.serving import Prediction
from services.inference.configuration import ServingOptions, key_file_path
from services.inference.golden import golden_photo
from services.inference.management import ManagementClient, TorchServeFailed

PREDICTION_SECONDS = 40.0  # more than the response timeout of the archives


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs of the TorchServe of a working directory, as seen from its own machine."""

    inference_url: str
    management_url: str

    @classmethod
    def of(cls, options: ServingOptions) -> "Addresses":
        # Clients cannot connect to the wildcard address.
        host = "127.0.0.1" if options.host == "0.0.0.0" else options.host
        return cls(f"http://{host}:{options.port}", f"http://127.0.0.1:{options.management_port}")


def write_addresses(options: ServingOptions) -> None:
    """Write the ports to the working directory, for clients on this machine."""
    _path(options.home).write_text(json.dumps(asdict(Addresses.of(options))))


@dataclass(frozen=True, slots=True)
class TorchServe:
    """Clients of the two ports of one TorchServe."""

    management: ManagementClient
    inference: InferenceClient

    def check(self) -> Prediction:
        """Have the served version predict a photo. Raises TorchServeFailed or ServiceUnavailable.

        The version counts as ready only once all its workers are.
        """
        version = self.management.default_version()
        if version is None:
            raise TorchServeFailed("TorchServe is running without a model; is there a champion?")
        if not self.management.is_ready(version):
            raise TorchServeFailed(f"TorchServe is running, but version {version} is not ready.")
        return self.inference.predict([golden_photo()])


def connect(home: Path) -> TorchServe:
    """Connect to the TorchServe of a working directory. Raises TorchServeFailed."""
    try:
        addresses = Addresses(**json.loads(_path(home).read_text()))
    except (OSError, ValueError, TypeError):
        raise TorchServeFailed(
            f"No TorchServe has run in {home} yet; start the stack with `euguess up`."
        ) from None
    key_file = key_file_path(home)
    return TorchServe(
        ManagementClient(addresses.management_url, key_file, _transport()),
        InferenceClient(
            addresses.inference_url, key_file, _transport(), timeout_seconds=PREDICTION_SECONDS
        ),
    )


def _transport() -> httpx.HTTPTransport:
    """Connects to loopback without a proxy; keeps no connection open, since calls are rare."""
    return httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _path(home: Path) -> Path:
    return home / "addresses.json"
