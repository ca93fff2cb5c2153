"""Run the sampler: python -m services.sampler --port 8090."""

import asyncio
import os
import sys
from typing import Annotated, NoReturn

import typer
import uvicorn
from redis.exceptions import RedisError

from euguess.errors import EUGuessError
from euguess.process.logs import configure_logging
from services.sampler.main import build_app


def run(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Accept datasets over HTTP and collect their locations."""
    configure_logging("sampler")
    try:
        asyncio.run(_serve(host, port))
    except EUGuessError as error:
        _leave(str(error))
    except RedisError as error:
        _leave(f"Redis does not answer ({type(error).__name__}); check EUGUESS_REDIS_URL.")


def _leave(reason: str) -> NoReturn:
    sys.stderr.write(f"sampler: {reason}\n")
    sys.stderr.flush()
    # A thread of the object store that fails late aborts an interpreter which is shutting down.
    os._exit(1)


async def _serve(host: str, port: int) -> None:
    app = await build_app()
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    typer.run(run)
