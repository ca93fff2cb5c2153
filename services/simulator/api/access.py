"""Who may use the API: keys and URL signatures."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from euguess.errors import InvalidInput
from services.simulator.api.signing import is_signed, sign


class Refusal(Enum):
    """Why a request is refused, in the provider's words."""

    MISSING_KEY = "You must use an API key to authenticate each request to this API."
    INVALID_KEY = "The provided API key is invalid."
    INVALID_SIGNATURE = "Unable to authenticate the request: the signature is missing or invalid."


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """The valid keys; with a signing secret, requests must be signed, too."""

    keys: tuple[str, ...]
    signing_secret: str | None = None

    def __post_init__(self) -> None:
        try:
            sign(self.signing_secret or "", "")
        except ValueError:
            raise InvalidInput("The signing secret is no URL-safe base64.") from None

    def refusal(self, query: Mapping[str, str], raw_target: str) -> Refusal | None:
        """Why this request is refused; None if it may pass. raw_target is as sent."""
        if not query.get("key"):
            return Refusal.MISSING_KEY
        if self._position(query["key"]) is None:
            return Refusal.INVALID_KEY
        if self.signing_secret and not is_signed(self.signing_secret, raw_target):
            return Refusal.INVALID_SIGNATURE
        return None

    def label(self, query: Mapping[str, str]) -> str:
        """A name for the key of a request that does not give the key away."""
        position = self._position(query.get("key", ""))
        return "no valid key" if position is None else f"key {position + 1}"

    def _position(self, key: str) -> int | None:
        matches = (hmac.compare_digest(key.encode(), known.encode()) for known in self.keys)
        return next((i for i, is_match in enumerate(matches) if is_match), None)
