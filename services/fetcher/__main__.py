"""Commands of the fetcher: its worker, and the health check of that worker."""

import sys
from typing import Annotated

import typer
from redis import Redis

from euguess.process.exits import run_program
from euguess.settings import HomeSettings, RedisSettings
from services.fetcher.health import Health
from services.fetcher.worker import build_worker

app = typer.Typer(
    help="Fetches the street-level photos of datasets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Processes; each has 64 calls")] = 2,
) -> None:
    """Work on the queue `fetch` until SIGTERM."""
    options = [
        "--pool=prefork",
        f"--concurrency={concurrency}",
        "--queues=fetch",
        "--loglevel=INFO",
    ]
    build_worker().worker_main(["worker", *options, "--without-gossip", "--without-mingle"])


@app.command()
def check() -> None:
    """Whether the worker of this home makes progress; exit code 1, with the reason, if not."""
    with Redis.from_url(RedisSettings.load().redis_url.get_secret_value()) as redis:
        trouble = Health(HomeSettings().home).trouble(redis)
    if trouble is not None:
        sys.stdout.write(f"{trouble}\n")
        sys.exit(1)


if __name__ == "__main__":
    run_program(app, name="fetcher")
