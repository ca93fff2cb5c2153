"""The clients and the photo decoders that pages use, opened once for all sessions."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from dashboard.store import Store
from euguess.access.policy import AccessPolicy
from euguess.clients import InferenceClient, RegistryClient, SamplerClient
from euguess.images.limited_decoder import DecoderPool
from euguess.settings import (
    AccessSettings,
    HomeSettings,
    MlflowSettings,
    ServiceSettings,
    StoreSettings,
)

TOKEN = "access_token"  # name of the script's secret: the token that changes need, or ""
ANSWER_SECONDS = 5.0  # a page that takes longer looks broken
PREDICTION_SECONDS = 20.0
DECODER_PROCESSES = 2


@dataclass(frozen=True)
class Connections:
    """Clients of the services and the store, and decoders of photos."""

    sampler: SamplerClient
    registry: RegistryClient
    inference: InferenceClient
    store: Store
    decoders: DecoderPool
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    home: Path = Path()  # where the trainer of a local stack writes its reports


def open_connections(token: str) -> Connections:
    """Create the clients from the settings, without connecting.

    With a token, sessions need it for changes; the clients have one of their own.
    """
    services = ServiceSettings.load()
    key_file = Path(services.inference_key_file) if services.inference_key_file else None
    return Connections(
        sampler=SamplerClient(
            services.sampler_url,
            timeout_seconds=ANSWER_SECONDS,
            token=AccessSettings.load().access_token,
        ),
        registry=RegistryClient(MlflowSettings.load().mlflow_url, timeout_seconds=ANSWER_SECONDS),
        inference=InferenceClient(
            services.inference_url, key_file, timeout_seconds=PREDICTION_SECONDS
        ),
        store=Store(StoreSettings.load()),
        decoders=DecoderPool(DECODER_PROCESSES),
        policy=AccessPolicy(token=SecretStr(token) if token else None),
        home=HomeSettings().home,
    )
