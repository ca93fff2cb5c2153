"""The HTTP application: the provider's API, and routes for tests and operators."""

from collections.abc import AsyncIterator

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from services.simulator.api.counters import Counters
from services.simulator.api.google import StreetView, google_routes
from services.simulator.faults import FaultRule, FaultScript

RULES: TypeAdapter[list[FaultRule]] = TypeAdapter(list[FaultRule])


def create_app(street_view: StreetView) -> web.Application:
    """Create the application."""

    async def close_imagery(_: web.Application) -> AsyncIterator[None]:
        yield
        street_view.imagery.close()

    app = web.Application()
    app.add_routes(google_routes(street_view))
    control = ControlApi(counters=street_view.counters, faults=street_view.faults)
    app.add_routes(control.routes())
    app.cleanup_ctx.append(close_imagery)
    return app


class ControlApi:
    """Routes for health, counters and faults."""

    def __init__(self, *, counters: Counters, faults: FaultScript) -> None:
        self._counters = counters
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.healthz),
            web.get("/counters", self.read_counters),
            web.delete("/counters", self.reset_counters),
            web.get("/faults", self.read_faults),
            web.post("/faults", self.add_faults),
            web.delete("/faults", self.clear_faults),
        ]

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def read_counters(self, _: web.Request) -> web.Response:
        return web.json_response(self._counters.as_json())

    async def reset_counters(self, request: web.Request) -> web.Response:
        self._counters.reset()
        return await self.read_counters(request)

    async def read_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._faults.as_json())

    async def add_faults(self, request: web.Request) -> web.Response:
        """Add the rules in the body, a JSON list, to those in force."""
        try:
            rules = RULES.validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"error": _one_line(error)}, status=400)
        for rule in rules:
            self._faults.add(rule)
        return await self.read_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self.read_faults(request)


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else first["msg"]
