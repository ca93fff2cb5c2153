"""URL signatures of Google's Static APIs: HMAC-SHA1 over the request target as it was sent."""

import base64
import hashlib
import hmac

MARK = "&signature="


def sign(secret: str, target: str) -> str:
    """Signature of path and query; secret and result are URL-safe base64 ('=' is kept)."""
    digest = hmac.new(base64.urlsafe_b64decode(secret), target.encode(), hashlib.sha1).digest()
    return base64.urlsafe_b64encode(digest).decode()


def is_signed(secret: str, raw_target: str) -> bool:
    """Whether a raw request target ends in the valid signature of all that precedes it."""
    target, mark, signature = raw_target.rpartition(MARK)
    signature = signature.replace("%3D", "=").replace("%3d", "=")
    return bool(mark) and hmac.compare_digest(sign(secret, target).encode(), signature.encode())
