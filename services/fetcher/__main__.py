"""Commands of the fetcher: its worker, and the health check of that worker."""

import sys
from typing import Annotated

import typer
from redis import Redis

from euguess.process.exits import run_program
from euguess.settings import HomeSettings, RedisSettings
from services.fetcher.health import FetcherHealth
from services.fetcher.worker import build_worker

app = typer.Typer(
    help="Fetch the street-level photos of datasets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def worker(
    concurrency: Annotated[
        int, typer.Option(min=1, help="Worker processes; each makes up to 64 calls at once")
    ] = 2,
) -> None:
    """Process the queue `fetch` until SIGTERM."""
    options = [
        "--pool=prefork",
        f"--concurrency={concurrency}",
        "--queues=fetch",
        "--loglevel=INFO",
    ]
    build_worker().worker_main(["worker", *options, "--without-gossip", "--without-mingle"])


@app.command()
def check() -> None:
    """Exit with code 1, and print the reason, if the worker makes no progress."""
    with Redis.from_url(RedisSettings.load().redis_url.get_secret_value()) as redis:
        problem = FetcherHealth(HomeSettings().home).problem(redis)
    if problem is not None:
        sys.stdout.write(f"{problem}\n")
        sys.exit(1)


if __name__ == "__main__":
    run_program(app, name="fetcher")
