"""HTTP answers of the Street View Static API, good and bad."""

import json
from typing import Any

from aiohttp import web

from services.simulator.faults import FaultMode

CACHE_HEADERS = {"Cache-Control": "public, max-age=86400"}
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"
OVER_LIMIT = "You have exceeded your rate-limit for this API."
DENIED = "This API project is not authorized to use this API."
UNKNOWN = "The request could not be processed due to a server error; try again."


def metadata_found(body: dict[str, Any]) -> web.Response:
    return _json(body)


def metadata_missing(status: str, error_message: str | None = None) -> web.Response:
    """A metadata answer without panorama; the HTTP status is 200 all the same."""
    message = {} if error_message is None else {"error_message": error_message}
    return _json({**message, "status": status})


def picture(jpeg: bytes) -> web.Response:
    return web.Response(body=jpeg, content_type="image/jpeg", headers=CACHE_HEADERS)


def text(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=message)


def faulty_metadata(mode: FaultMode) -> tuple[str, web.Response]:
    """Status to be counted and answer for a fault that strikes before the search."""
    match mode:
        case FaultMode.DENIED:
            return "REQUEST_DENIED", metadata_missing("REQUEST_DENIED", DENIED)
        case FaultMode.OVER_LIMIT_THEN_OK:
            return "OVER_QUERY_LIMIT", metadata_missing("OVER_QUERY_LIMIT", OVER_LIMIT)
        case FaultMode.UNKNOWN_ERROR:
            return "UNKNOWN_ERROR", metadata_missing("UNKNOWN_ERROR", UNKNOWN)
    return mode.value, faulty_answer(mode)


def faulty_answer(mode: FaultMode) -> web.Response:
    """Answer of the picture endpoint for a fault that strikes before the search."""
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


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(
        text=json.dumps(body, ensure_ascii=False, indent=3),
        content_type="application/json",
        charset="UTF-8",
        headers=CACHE_HEADERS,
    )
