"""Run the sampler: python -m services.sampler --port 8090."""

import asyncio
from functools import partial
from typing import Annotated

import typer
from redis.exceptions import RedisError

from euguess.errors import ServiceUnavailable
from euguess.process.exits import run_program
from euguess.process.logs import configure_logging
from services.sampler.main import build_app
from services.sampler.server import server


def run(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Accept datasets over HTTP and collect their locations."""
    configure_logging("sampler")
    try:
        asyncio.run(_serve(host, port))
    except RedisError as error:
        raise ServiceUnavailable(
            f"Redis does not answer ({type(error).__name__}); check EUGUESS_REDIS_URL."
        ) from None


async def _serve(host: str, port: int) -> None:
    app = await build_app(host)
    await server(app, host, port).serve()


if __name__ == "__main__":
    run_program(partial(typer.run, run), name="sampler")
