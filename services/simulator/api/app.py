"""The simulator as one HTTP application."""

from collections.abc import AsyncIterator

from aiohttp import web

from services.simulator.api.control import ControlApi
from services.simulator.api.google import StreetView, google_routes


def create_app(street_view: StreetView) -> web.Application:
    """Create the application: the provider's API, and routes for tests and operators."""

    async def close_imagery(_: web.Application) -> AsyncIterator[None]:
        yield
        street_view.imagery.close()

    app = web.Application()
    app.add_routes(google_routes(street_view))
    control = ControlApi(counters=street_view.counters, faults=street_view.faults)
    app.add_routes(control.routes())
    app.cleanup_ctx.append(close_imagery)
    return app
