"""Connections to the services, opened from the settings.

Importing redis takes a fifth of the start-up time of `euguess`, so only the command that needs it
does so.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from euguess.clients import InferenceClient, SamplerClient
from euguess.errors import ServiceUnavailable
from euguess.settings import AccessSettings, RedisSettings, ServiceSettings, StoreSettings
from euguess.storage import ObjectStore, open_store
from euguess.terminal.output import messages

if TYPE_CHECKING:
    from euguess.collection.ledger import Ledger


def sampler_client() -> SamplerClient:
    """Open a client of the sampler. Raises ServiceUnavailable if none is configured."""
    url = ServiceSettings.load().sampler_url
    if not url:
        raise ServiceUnavailable(
            "No stack is running here. Start one with `euguess up`, or set EUGUESS_SAMPLER_URL."
        )
    return SamplerClient(url, token=AccessSettings.load().access_token)


def inference_client() -> InferenceClient | None:
    """Open a client of TorchServe; None if none is configured."""
    settings = ServiceSettings.load()
    if not settings.inference_url:
        return None
    key_file = Path(settings.inference_key_file) if settings.inference_key_file else None
    return InferenceClient(settings.inference_url, key_file)


async def store() -> ObjectStore:
    """Open the configured object store. Print a note if no stack updates it."""
    settings = StoreSettings.load()
    if not settings.store_url and not ServiceSettings.load().sampler_url:
        messages.print(f"[dim]No stack is running; using the folder {settings.url}[/dim]")
    return await open_store(settings)


async def ledger() -> "Ledger":
    """Open the ledger in Redis. Raises ServiceUnavailable if Redis does not answer."""
    from redis.exceptions import RedisError

    from euguess.collection.ledger import Ledger
    from euguess.collection.redis_connection import open_redis

    redis = open_redis(RedisSettings.load().redis_url.get_secret_value())
    try:
        await redis.ping()
    except RedisError as error:
        raise ServiceUnavailable(
            f"Redis does not answer ({type(error).__name__}). Start the stack with `euguess up`, "
            "or check EUGUESS_REDIS_URL."
        ) from None
    return Ledger(redis)
