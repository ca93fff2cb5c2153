"""Real readiness: /ping says Healthy while every worker crashes, so that a photo is sent."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from euguess.messages.serving import Prediction
from services.inference.configuration import ServingOptions, key_file_path
from services.inference.golden import golden_photo
from services.inference.management import TorchServeClient, TorchServeFailed


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the TorchServe of a working directory listens, as seen from its own machine."""

    inference_url: str
    management_url: str

    @classmethod
    def of(cls, options: ServingOptions) -> "Addresses":
        # A wildcard address is no destination.
        host = "127.0.0.1" if options.host == "0.0.0.0" else options.host
        return cls(f"http://{host}:{options.port}", f"http://127.0.0.1:{options.management_port}")


def write_addresses(options: ServingOptions) -> None:
    """Leave word of the ports in the working directory."""
    _path(options.home).write_text(json.dumps(asdict(Addresses.of(options))))


def client_of(home: Path) -> TorchServeClient:
    """Client of the TorchServe that works in a directory. Raises TorchServeFailed."""
    try:
        addresses = Addresses(**json.loads(_path(home).read_text()))
    except (OSError, ValueError, TypeError):
        raise TorchServeFailed(
            f"No TorchServe has worked in {home}; start one with "
            "`python -m services.inference serve`."
        ) from None
    return TorchServeClient(addresses.inference_url, addresses.management_url, key_file_path(home))


def check(client: TorchServeClient) -> Prediction:
    """A prediction by the served version, all of whose workers are ready.

    Raises TorchServeFailed.
    """
    version = client.default_version()
    if version is None:
        raise TorchServeFailed("TorchServe runs, but no model is loaded; is there a champion?")
    if not client.is_ready(version):
        raise TorchServeFailed(f"TorchServe runs, but version {version} is not ready.")
    try:
        return Prediction.model_validate(client.predict(golden_photo()))
    except ValidationError:
        raise TorchServeFailed("TorchServe's answer is not a prediction.") from None


def _path(home: Path) -> Path:
    return home / "addresses.json"
