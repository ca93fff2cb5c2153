"""Google Street View Static API: build, send and parse requests; only `_send` does I/O."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from pydantic import SecretStr
from yarl import URL

from euguess.collection.providers import TARIFFS, ProviderName
from euguess.errors import InvalidCoordinate, InvalidInput
from euguess.geography.locations import Coordinate
from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    NoAnswer,
    Panorama,
    QuotaExceeded,
    Refused,
    TransientError,
    UnusablePanorama,
    View,
)

GOOGLE = TARIFFS[ProviderName.GOOGLE]
METADATA_PATH = "/maps/api/streetview/metadata"
IMAGE_PATH = "/maps/api/streetview"
TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
MAX_IMAGE_BYTES = 5_000_000
PANORAMA_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
DATE = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}")
ATTRIBUTION = re.compile(r"[^\ud800-\udfff]{1,500}")  # lone surrogates cannot be stored
OFFICIAL_COPYRIGHT = "© Google"
OFFICIAL_ID_LENGTH = 22  # ids of users' panoramas are longer, or have one of these prefixes
USER_ID_PREFIXES = ("CIHM0og", "AF1Q")
TERMS = (
    "Google's terms forbid storing Street View images and using them to train, test or validate "
    "models (Google Maps Platform Terms of Service, 3.2.3)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleAccess:
    """Address and credentials of the API."""

    base_url: str
    key: SecretStr
    signing_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response of the API."""

    status: int
    content_type: str
    body: bytes
    retry_after_seconds: float | None = None


class GoogleProvider:
    """The API over one shared HTTP session. `name` is the provider stored with the images."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: GoogleAccess,
        *,
        name: str = "google",
        price_per_image: float = GOOGLE.dollars_per_image,
        requests_per_second: float | None = GOOGLE.requests_per_second,
    ) -> None:
        self.name = name
        self.price_per_image = price_per_image
        self.requests_per_second = requests_per_second
        self._session = session
        self._access = access

    async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
        return parse_metadata(await self._send(METADATA_PATH, find_query(coordinate, radius_m)))

    async def fetch(self, panorama_id: str, view: View) -> bytes:
        return parse_image(await self._send(IMAGE_PATH, image_query(panorama_id, view)))

    async def _send(self, path: str, query: Mapping[str, str]) -> Answer:
        """Send a request. Redirects are not followed: the API has none, a login page has."""
        url = self._access.base_url + build_target(path, query, self._access)
        try:
            async with self._session.get(
                URL(url, encoded=True), allow_redirects=False, timeout=TIMEOUT
            ) as response:
                body = await response.content.read(MAX_IMAGE_BYTES)
                while not response.content.at_eof() and len(body) < MAX_IMAGE_BYTES:
                    body += await response.content.read(MAX_IMAGE_BYTES - len(body))
                return Answer(
                    response.status, response.content_type, body, _retry_after(response.headers)
                )
        except (TimeoutError, aiohttp.ClientError) as error:
            # The error's own text contains the URL, including the key.
            raise NoAnswer(f"no answer ({type(error).__name__})") from None


def find_query(coordinate: Coordinate, radius_m: int) -> dict[str, str]:
    return {
        "location": f"{coordinate.lat:.7f},{coordinate.lon:.7f}",
        "radius": str(radius_m),
        "source": "outdoor",
    }


def image_query(panorama_id: str, view: View) -> dict[str, str]:
    """Request by panorama id, never by location: the nearest panorama may have changed."""
    return {
        "pano": panorama_id,
        "size": f"{view.size}x{view.size}",
        "heading": str(view.heading),
        "fov": str(view.fov),
        "pitch": str(view.pitch),
        "return_error_code": "true",
    }


def build_target(path: str, query: Mapping[str, str], access: GoogleAccess) -> str:
    """Return the path and percent-encoded query with key and signature, exactly as sent."""
    parameters = {**query, "key": access.key.get_secret_value()}
    secret = access.signing_secret.get_secret_value() if access.signing_secret else None
    return sign(f"{path}?{urlencode(parameters)}", secret)


def sign(target: str, secret: str | None) -> str:
    """Append the signature as the last parameter, if there is a secret."""
    return f"{target}&signature={signature(secret, target)}" if secret else target


def signature(secret: str, target: str) -> str:
    """Return the HMAC-SHA1 signature of a request target, exactly as sent.

    The target is path, "?" and the percent-encoded query with the key. Secret and signature are
    URL-safe base64, padding kept. Source: Google Maps Platform, "Use a digital signature" of the
    Street View Static API.
    """
    try:
        key = base64.urlsafe_b64decode(secret)
    except (binascii.Error, ValueError):
        raise InvalidInput("EUGUESS_GOOGLE_SIGNING_SECRET is not URL-safe base64.") from None
    return base64.urlsafe_b64encode(hmac.new(key, target.encode(), hashlib.sha1).digest()).decode()


def parse_metadata(answer: Answer) -> Panorama | None:
    """Return the panorama, or None for no coverage. Raises a ProviderError."""
    _raise_for_status(answer)
    body = _json_object(answer.body)
    status = body.get("status")
    if not isinstance(status, str):
        raise TransientError("metadata without a status")
    if status == "OK":
        return _panorama(body)
    if status in ("ZERO_RESULTS", "NOT_FOUND"):
        return None
    raise _error_of(status)


def parse_image(answer: Answer) -> bytes:
    """Return the JPEG. Raises a ProviderError."""
    if answer.status == 404:
        raise ImageryGone
    _raise_for_status(answer)
    if answer.content_type != "image/jpeg":
        raise BadImage("the answer is not a JPEG")
    if len(answer.body) >= MAX_IMAGE_BYTES:
        raise BadImage("the image is too large")
    return answer.body


def _json_object(data: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):  # too deep
        body = None
    if not isinstance(body, dict):
        raise TransientError("metadata is not the expected JSON")
    return body


def _panorama(body: Mapping[str, Any]) -> Panorama:
    try:
        coordinate = Coordinate(float(body["location"]["lat"]), float(body["location"]["lng"]))
    except (KeyError, TypeError, ValueError, OverflowError, InvalidCoordinate):
        raise UnusablePanorama("metadata without a valid position") from None
    panorama_id = _text(body, "pano_id", PANORAMA_ID)
    if panorama_id is None:
        raise UnusablePanorama("metadata without a valid panorama id")
    copyright_text = (_text(body, "copyright", ATTRIBUTION) or "").strip()
    return Panorama(
        panorama_id=panorama_id,
        coordinate=coordinate,
        captured_at=_text(body, "date", DATE),
        attribution=copyright_text,
        license="Google Maps Platform terms",
        is_official=copyright_text == OFFICIAL_COPYRIGHT and _is_official_id(panorama_id),
    )


def _text(body: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str | None:
    """Return a field that has the form; None otherwise, as if the provider had not sent it."""
    value = body.get(name)
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _is_official_id(panorama_id: str) -> bool:
    return len(panorama_id) <= OFFICIAL_ID_LENGTH and not panorama_id.startswith(USER_ID_PREFIXES)


def _error_of(status: str) -> Exception:
    """Build the error from the status only: an error_message may repeat the key."""
    if status == "OVER_QUERY_LIMIT":
        return QuotaExceeded("OVER_QUERY_LIMIT")
    if status == "REQUEST_DENIED":
        return AccessDenied("REQUEST_DENIED: the key or signature is refused")
    if status == "UNKNOWN_ERROR":
        return TransientError("UNKNOWN_ERROR")
    is_name = status.isascii() and status.isidentifier()
    return Refused(status[:40] if is_name else "unknown status")


def _raise_for_status(answer: Answer) -> None:
    status = answer.status
    is_page = answer.content_type == "text/html"
    if 300 <= status < 400 or (status == 200 and is_page):
        raise Blocked(f"HTTP {status} with a web page instead of a response")
    if status == 200:
        return
    if status == 429:
        raise QuotaExceeded("HTTP 429", answer.retry_after_seconds)
    if status in (401, 403):
        raise AccessDenied(f"HTTP {status}: the key or signature is refused")
    if status in (500, 502, 503, 504):
        raise TransientError(f"HTTP {status}", answer.retry_after_seconds)
    raise Refused(f"HTTP {status}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
