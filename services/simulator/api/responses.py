"""HTTP responses of the Street View Static API, with and without faults."""

import json
from functools import lru_cache
from typing import Any

from aiohttp import web
from PIL import Image, ImageDraw, ImageFont

from services.simulator.faults import FaultMode
from services.simulator.jpeg import encode_picture

CACHE_HEADERS = {"Cache-Control": "public, max-age=86400"}
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"
OVER_LIMIT = "You have exceeded your rate-limit for this API."
DENIED = "This API project is not authorized to use this API."
UNKNOWN = "The request could not be processed due to a server error; try again."
GREY = (228, 227, 223)  # covers 97 % of the real placeholder
INK = (117, 117, 117)
NO_IMAGERY = "Sorry, we have no imagery here."
MISSING_KEY = (
    "The Google Maps Platform server rejected your request.\n"
    "You must use an API key to authenticate each request.\n"
    "g.co/streetviewerror/NoApiKeys"
)


def metadata_found(body: dict[str, Any]) -> web.Response:
    return _json(body)


def metadata_missing(status: str, error_message: str | None = None) -> web.Response:
    """Respond that there is no panorama; the HTTP status is 200 even so."""
    message = {} if error_message is None else {"error_message": error_message}
    return _json({**message, "status": status})


def picture(jpeg: bytes) -> web.Response:
    return web.Response(body=jpeg, content_type="image/jpeg", headers=CACHE_HEADERS)


def text(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=message)


def faulty_metadata(mode: FaultMode) -> tuple[str, web.Response]:
    """Return the status to count and the response for a fault that prevents the search."""
    match mode:
        case FaultMode.DENIED:
            return "REQUEST_DENIED", metadata_missing("REQUEST_DENIED", DENIED)
        case FaultMode.OVER_LIMIT_THEN_OK:
            return "OVER_QUERY_LIMIT", metadata_missing("OVER_QUERY_LIMIT", OVER_LIMIT)
        case FaultMode.UNKNOWN_ERROR:
            return "UNKNOWN_ERROR", metadata_missing("UNKNOWN_ERROR", UNKNOWN)
    return mode.value, faulty_image(mode)


def faulty_image(mode: FaultMode) -> web.Response:
    """Respond to an image request with a fault that prevents the search."""
    match mode:
        case FaultMode.DENIED:
            return text(403, DENIED)
        case FaultMode.OVER_LIMIT_THEN_OK:
            return text(429, OVER_LIMIT)
        case FaultMode.UNKNOWN_ERROR:
            return text(503, UNKNOWN)
        case FaultMode.SERVER_ERROR_THEN_OK:
            return text(500, "Internal Server Error")
        case FaultMode.HTML_200:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
    raise KeyError(mode)


@lru_cache(maxsize=64)
def text_picture(text: str, width: int, height: int) -> bytes:
    """Draw a grey JPEG with centred text and the provider's marks at the bottom."""
    picture = Image.new("RGB", (width, height), GREY)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(6, width // 32))
    pen.multiline_text((width / 2, height / 2), text, INK, font, anchor="mm", align="center")
    small = ImageFont.load_default(max(6, width // 48))
    pen.text((width * 0.02, height * 0.97), "Google", INK, small, anchor="ls")
    pen.text((width * 0.98, height * 0.97), "© 2026 Google", INK, small, anchor="rs")
    return encode_picture(picture, quality=85)


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(
        text=json.dumps(body, ensure_ascii=False, indent=3),
        content_type="application/json",
        charset="UTF-8",
        headers=CACHE_HEADERS,
    )
