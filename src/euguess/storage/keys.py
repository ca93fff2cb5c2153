"""Check object keys. Valid keys are distinct and unchanged in every kind of store."""

import re

from euguess.errors import InvalidInput

MAX_KEY_BYTES = 1024  # S3's limit
MAX_SEGMENT_BYTES = 240  # file systems allow 255; the local store adds a suffix while it writes

_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f\\]")
_STAGED = re.compile(r"#\d+$")  # name of a file that the local store is writing


def check_key(key: str) -> str:
    """Return the key. Raises InvalidInput with the reason if it is invalid."""
    fault = _fault(key)
    if fault:
        raise InvalidInput(f"{key[:80]!r} is not a valid object key: {fault}.")
    return key


def _fault(key: str) -> str | None:
    segments = key.split("/")
    if not key:
        return "it is empty"
    if _CONTROL_OR_BACKSLASH.search(key):
        return "it has a backslash or a control character"
    if not _is_encodable(key) or len(key.encode()) > MAX_KEY_BYTES:
        return f"it must be valid UTF-8 of at most {MAX_KEY_BYTES} bytes"
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
