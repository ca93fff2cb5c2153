"""URL signing of Google's web services: HMAC-SHA1 over path and query, exactly as sent."""

import base64
import binascii
import hashlib
import hmac

from euguess.errors import InvalidInput


def signature(secret: str, target: str) -> str:
    """Signature of a request target (path, "?", percent-encoded query with the key).

    secret is URL-safe base64; so is the result, its padding kept. Source: Google Maps Platform,
    "Use a digital signature" of the Street View Static API.
    """
    try:
        key = base64.urlsafe_b64decode(secret)
    except (binascii.Error, ValueError):
        raise InvalidInput("EUGUESS_GOOGLE_SIGNING_SECRET is not URL-safe base64.") from None
    return base64.urlsafe_b64encode(hmac.new(key, target.encode(), hashlib.sha1).digest()).decode()


def signed(target: str, secret: str | None) -> str:
    """The target with its signature as the last parameter, if there is a secret."""
    return f"{target}&signature={signature(secret, target)}" if secret else target
