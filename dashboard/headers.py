"""Headers of every response: the pages load only their own files and cannot be framed."""

import base64
import hashlib
import re
from importlib import resources

from euguess.access.middleware import SECURITY_HEADERS

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.S)


def page_headers() -> dict[str, str]:
    """Return the headers by name, among them the content security policy."""
    return {**SECURITY_HEADERS, "Content-Security-Policy": _policy()}


def _policy() -> str:
    directives = {
        "default-src": "'self'",
        "script-src": " ".join(("'self'", *_inline_scripts())),
        "style-src": "'self' 'unsafe-inline'",  # Streamlit and Vega style elements in place
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _inline_scripts() -> list[str]:
    """Return the hashes of the scripts in Streamlit's page, so that no others run in place."""
    page = (resources.files("streamlit") / "static" / "index.html").read_text()
    digests = (hashlib.sha256(text.encode()).digest() for text in INLINE_SCRIPT.findall(page))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
