"""The provider that the settings choose."""

import aiohttp

from euguess.collection.providers import COLLECTED, ProviderName
from euguess.errors import InvalidInput
from euguess.settings import ProviderSettings
from services.fetcher.providers import StreetImageProvider
from services.fetcher.providers.google import TERMS, GoogleAccess, GoogleProvider
from services.fetcher.providers.simulator import SimulatorProvider


def open_provider(
    name: str, settings: ProviderSettings, session: aiohttp.ClientSession
) -> StreetImageProvider:
    """Raises InvalidInput when the provider is unknown, lacks its key, or its terms."""
    if name == ProviderName.SIMULATOR:
        access = GoogleAccess(base_url=settings.simulator_url, key=settings.simulator_key)
        return SimulatorProvider(session, access)
    if name == ProviderName.GOOGLE:
        return GoogleProvider(session, _google_access(settings))
    raise InvalidInput(f"{name!r} is no imagery provider; there are {', '.join(COLLECTED)}.")


def why_off(settings: ProviderSettings) -> str | None:
    """Why a provider whose key is given stays off; the others work all the same."""
    if not settings.google_key.get_secret_value():
        return None
    try:
        _google_access(settings)
    except InvalidInput as error:
        return f"The provider google stays off. {error}"
    return None


def _google_access(settings: ProviderSettings) -> GoogleAccess:
    accepted = settings.accept_provider_terms.split(",")
    if ProviderName.GOOGLE not in accepted:
        raise InvalidInput(f"{TERMS} Set EUGUESS_ACCEPT_PROVIDER_TERMS=google to go on.")
    if not settings.google_key.get_secret_value():
        raise InvalidInput("The provider google needs a key in EUGUESS_GOOGLE_KEY.")
    secret = settings.google_signing_secret
    return GoogleAccess(
        base_url=settings.google_base_url,
        key=settings.google_key,
        signing_secret=secret if secret.get_secret_value() else None,
    )
