"""Which keys are allowed: those that every store keeps apart and gives back unchanged."""

import re

from euguess.errors import InvalidInput

MAX_KEY_BYTES = 1024  # S3's limit
MAX_SEGMENT_BYTES = 240  # file systems take 255, and the local folder adds a suffix while it writes

_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f\\]")
_STAGED = re.compile(r"#\d+$")  # how the local folder names a file that is being written


def check_key(key: str) -> str:
    """The key itself. Raises InvalidInput saying what is wrong with it."""
    fault = _fault(key)
    if fault:
        raise InvalidInput(f"{key[:80]!r} cannot be an object key: {fault}.")
    return key


def _fault(key: str) -> str | None:
    segments = key.split("/")
    if not key:
        return "it is empty"
    if _CONTROL_OR_BACKSLASH.search(key):
        return "it has a backslash or a control character"
    if not _is_encodable(key) or len(key.encode()) > MAX_KEY_BYTES:
        return f"it is no text of at most {MAX_KEY_BYTES} bytes"
    if any(segment in ("", ".", "..") for segment in segments):
        return "it starts or ends with '/', or has an empty, '.' or '..' part"
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        return f"a part of it is longer than {MAX_SEGMENT_BYTES} bytes"
    if _STAGED.search(segments[-1]):
        return "it ends with '#' and digits"
    return None


def _is_encodable(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
