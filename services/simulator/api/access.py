"""Access to the API: keys, and URL signatures as in Google's Static APIs."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from euguess.errors import InvalidInput

SIGNATURE = "&signature="


class Denial(Enum):
    """Reasons for denying a request, in the provider's words."""

    MISSING_KEY = "You must use an API key to authenticate each request to this API."
    INVALID_KEY = "The provided API key is invalid."
    INVALID_SIGNATURE = "Unable to authenticate the request: the signature is missing or invalid."


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """The valid keys; with a signing secret, requests must also be signed."""

    keys: tuple[str, ...]
    signing_secret: str | None = None

    def __post_init__(self) -> None:
        try:
            sign(self.signing_secret or "", "")
        except ValueError:
            raise InvalidInput("The signing secret must be URL-safe base64.") from None

    def denial(self, query: Mapping[str, str], raw_target: str) -> Denial | None:
        """Return the reason to deny a request, None if there is none. raw_target is as sent."""
        if not query.get("key"):
            return Denial.MISSING_KEY
        if self._position(query["key"]) is None:
            return Denial.INVALID_KEY
        if self.signing_secret and not is_signed(self.signing_secret, raw_target):
            return Denial.INVALID_SIGNATURE
        return None

    def label(self, query: Mapping[str, str]) -> str:
        """Name the key of a request without revealing it."""
        position = self._position(query.get("key", ""))
        return "no valid key" if position is None else f"key {position + 1}"

    def _position(self, key: str) -> int | None:
        matches = (hmac.compare_digest(key.encode(), known.encode()) for known in self.keys)
        return next((i for i, is_match in enumerate(matches) if is_match), None)


def sign(secret: str, target: str) -> str:
    """Sign path and query by HMAC-SHA1; secret and result are URL-safe base64 with padding."""
    digest = hmac.new(base64.urlsafe_b64decode(secret), target.encode(), hashlib.sha1).digest()
    return base64.urlsafe_b64encode(digest).decode()


def is_signed(secret: str, raw_target: str) -> bool:
    """Check that a raw request target ends in the valid signature of all that precedes it."""
    target, mark, signature = raw_target.rpartition(SIGNATURE)
    signature = signature.replace("%3D", "=").replace("%3d", "=")
    return bool(mark) and hmac.compare_digest(sign(secret, target).encode(), signature.encode())
