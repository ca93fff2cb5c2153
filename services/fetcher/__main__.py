"""Commands of the fetcher: its worker, and the health check of that worker."""

import sys
from typing import Annotated

import typer
from redis import Redis

from euguess.errors import ServiceUnavailable
from euguess.process.exits import run_program
from euguess.process.guard import run_child
from euguess.process.project import service_command
from euguess.settings import HomeSettings, RedisSettings, child_environment
from services.fetcher.health import FetcherHealth, StallDetector

REDIS_SECONDS = 5.0

Concurrency = Annotated[
    int, typer.Option(min=1, help="Worker processes; each makes up to 64 calls at once")
]

app = typer.Typer(
    help="Fetch the street-level photos of datasets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def worker(concurrency: Concurrency = 2) -> None:
    """Process the queue `fetch` until SIGTERM; end with code 1 if that makes no progress."""
    command = service_command("fetcher", "consume", "--concurrency", str(concurrency))
    with _open_redis() as redis:
        detector = StallDetector(FetcherHealth(HomeSettings().home), redis)
        code = run_child(command, child_environment(), problem=detector.problem)
    if code != 0:
        raise ServiceUnavailable(f"The worker ended with exit code {code}. See its log above.")


@app.command(hidden=True)
def consume(concurrency: Concurrency = 2) -> None:
    """Process the queue `fetch` in this process and its pool; `worker` watches it."""
    from services.fetcher.worker import run_worker  # the watching process stays small

    sys.exit(run_worker(concurrency))


@app.command()
def check() -> None:
    """Exit with code 1, and print the reason, if the worker makes no progress."""
    with _open_redis() as redis:
        problem = FetcherHealth(HomeSettings().home).problem(redis)
    if problem is not None:
        sys.stdout.write(f"{problem}\n")
        sys.exit(1)


def _open_redis() -> Redis:
    url = RedisSettings.load().redis_url.get_secret_value()
    return Redis.from_url(url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)


if __name__ == "__main__":
    run_program(app, name="fetcher")
