"""Routes of the Street View Static API."""

import asyncio
import math
from dataclasses import dataclass, replace

from aiohttp import web

from euguess.geography.locations import Coordinate
from services.simulator.api import responses
from services.simulator.api.access import Access, Denial
from services.simulator.api.counters import Counters
from services.simulator.api.metadata import Metadata, MetadataFaults
from services.simulator.api.queries import (
    MAX_SIDE_PX,
    Camera,
    InvalidQuery,
    Search,
    UnknownAddress,
    parse_camera,
    parse_search,
    parse_size,
)
from services.simulator.api.responses import MISSING_KEY, NO_IMAGERY, text_picture
from services.simulator.faults import (
    METADATA_MODES,
    PICTURE_MODES,
    REQUEST_MODES,
    Endpoint,
    FaultMode,
    FaultScript,
)
from services.simulator.imagery import CachedImagery, View
from services.simulator.world import Panorama, World

METADATA_PATH = "/maps/api/streetview/metadata"
IMAGE_PATH = "/maps/api/streetview"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetView:
    """Dependencies shared by the endpoints."""

    world: World
    imagery: CachedImagery
    access: Access
    faults: FaultScript
    counters: Counters
    denied_status: int = 200  # HTTP status of metadata's REQUEST_DENIED, which is undocumented

    async def request_fault(
        self, search: Search, endpoint: Endpoint, subject: str
    ) -> FaultMode | None:
        """Delay a request if a rule says so, and return the fault that prevents its search."""
        slow = self.faults.apply(frozenset({FaultMode.SLOW}), endpoint, subject)
        if slow:
            self.counters.count_fault(FaultMode.SLOW)
            await asyncio.sleep(slow.seconds)
        stale = {FaultMode.STALE_PANO_ID} if search.pano_id else set()
        return self.fault(REQUEST_MODES | stale, endpoint, subject)

    def fault(
        self, modes: frozenset[FaultMode], endpoint: Endpoint, subject: str
    ) -> FaultMode | None:
        """Return and count the fault among these modes that applies to a request."""
        rule = self.faults.apply(modes, endpoint, subject)
        if rule is None:
            return None
        self.counters.count_fault(rule.mode)
        return rule.mode

    def find(self, search: Search) -> Panorama | None:
        if search.pano_id is not None:
            return self.world.panorama(search.pano_id)
        return self.world.nearest(search.location, search.radius_m) if search.location else None


class MetadataEndpoint:
    """GET /maps/api/streetview/metadata: free; the status is 200 unless the server fails."""

    def __init__(self, street_view: StreetView) -> None:
        self._street_view = street_view
        self._metadata_faults = MetadataFaults(street_view.world)

    async def __call__(self, request: web.Request) -> web.Response:
        status, response = await self._answer(request)
        if status == "REQUEST_DENIED":
            response.set_status(self._street_view.denied_status)
        self._street_view.counters.count_metadata(status)
        return response

    async def _answer(self, request: web.Request) -> tuple[str, web.Response]:
        denial = self._street_view.access.denial(request.query, request.raw_path)
        if denial:
            return _miss("REQUEST_DENIED", denial.value)
        try:
            search = parse_search(request.query)
        except UnknownAddress:
            return _miss("NOT_FOUND")
        except InvalidQuery as error:
            return _miss("INVALID_REQUEST", str(error))
        mode = await self._street_view.request_fault(search, Endpoint.METADATA, search.subject)
        if mode is FaultMode.DISCONNECT:
            return mode.value, _disconnect(request)
        if mode is FaultMode.STALE_PANO_ID:
            return _miss("ZERO_RESULTS")
        return self._find(search) if mode is None else responses.faulty_metadata(mode)

    def _find(self, search: Search) -> tuple[str, web.Response]:
        panorama = self._street_view.find(search)
        if panorama is None:
            return _miss("ZERO_RESULTS")
        mode = self._street_view.fault(METADATA_MODES, Endpoint.METADATA, search.subject)
        found = self._metadata_faults.apply(panorama, mode) if mode else Metadata.of(panorama)
        return "OK", responses.metadata_found(found.as_json())


class ImageEndpoint:
    """GET /maps/api/streetview: each 200 is billed, with or without imagery."""

    def __init__(self, street_view: StreetView) -> None:
        self._street_view = street_view

    async def __call__(self, request: web.Request) -> web.Response:
        view, response = await self._answer(request)
        key = self._street_view.access.label(request.query)
        self._street_view.counters.count_image(response.status, key=key, view=view)
        return response

    async def _answer(self, request: web.Request) -> tuple[str | None, web.Response]:
        """Return the response and the name of the requested view, None if there is none."""
        denial = self._street_view.access.denial(request.query, request.raw_path)
        if denial is Denial.MISSING_KEY:
            return None, responses.picture(text_picture(MISSING_KEY, *_size_or_largest(request)))
        if denial:
            return None, responses.text(403, denial.value)
        try:
            camera, search = parse_camera(request.query), parse_search(request.query)
        except UnknownAddress:
            return None, _no_imagery(request)
        except InvalidQuery as error:
            return None, responses.text(400, str(error))
        return await self._take(request, search, camera)

    async def _take(
        self, request: web.Request, search: Search, camera: Camera
    ) -> tuple[str | None, web.Response]:
        panorama = self._street_view.find(search)
        view = _view(camera, panorama, search)
        name = f"{panorama.pano_id}/{view.heading:g}" if panorama else None
        subject = name or f"{search.subject}/{view.heading:g}"
        mode = await self._street_view.request_fault(search, Endpoint.IMAGE, subject)
        if mode is FaultMode.DISCONNECT:
            return name, _disconnect(request)
        if panorama is None or mode is FaultMode.STALE_PANO_ID:
            return name, _no_imagery(request)
        if mode is not None:
            return name, responses.faulty_image(mode)
        return name, responses.picture(await self._jpeg(panorama, view, subject))

    async def _jpeg(self, panorama: Panorama, view: View, subject: str) -> bytes:
        mode = self._street_view.fault(PICTURE_MODES, Endpoint.IMAGE, subject)
        if mode is FaultMode.PLACEHOLDER:
            return text_picture(NO_IMAGERY, view.width, view.height)
        if mode is FaultMode.WRONG_SIZE_JPEG:
            view = replace(view, width=max(1, view.width // 2), height=max(1, view.height // 2))
        jpeg = await self._street_view.imagery.picture(panorama, view)
        return jpeg[: len(jpeg) // 2] if mode is FaultMode.TRUNCATED_JPEG else jpeg


def google_routes(street_view: StreetView) -> list[web.RouteDef]:
    return [
        web.get(METADATA_PATH, MetadataEndpoint(street_view).__call__),
        web.get(IMAGE_PATH, ImageEndpoint(street_view).__call__),
    ]


def _miss(status: str, error_message: str | None = None) -> tuple[str, web.Response]:
    return status, responses.metadata_missing(status, error_message)


def _no_imagery(request: web.Request) -> web.Response:
    if request.query.get("return_error_code") == "true":
        return responses.text(404, NO_IMAGERY)
    return responses.picture(text_picture(NO_IMAGERY, *_size_or_largest(request)))


def _size_or_largest(request: web.Request) -> tuple[int, int]:
    try:
        return parse_size(request.query)
    except InvalidQuery:
        return MAX_SIDE_PX, MAX_SIDE_PX


def _disconnect(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


def _view(camera: Camera, panorama: Panorama | None, search: Search) -> View:
    heading = camera.heading
    if heading is None and panorama is not None and search.location is not None:
        # Without a heading the camera faces the requested location, as at the real provider.
        heading = _bearing(panorama.coordinate, search.location)
    heading = heading or 0.0
    return View(camera.width, camera.height, heading % 360, camera.fov, camera.pitch)


def _bearing(origin: Coordinate, target: Coordinate) -> float:
    """Initial great-circle bearing in degrees from north."""
    lat_a, lat_b = math.radians(origin.lat), math.radians(target.lat)
    dlon = math.radians(target.lon - origin.lon)
    east = math.sin(dlon) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(dlon)
    return math.degrees(math.atan2(east, north))
