"""The commands of the queue's worker: run it, and check that it is alive."""

import sys

from euguess.settings import HomeSettings, RedisSettings


def worker() -> None:
    """Train queued runs, one at a time, until stopped."""
    from services.trainer.jobs.worker import run_worker

    run_worker(RedisSettings.load())


def check() -> None:
    """Check that the worker of this home is alive; exit 1 if it is not."""
    from services.trainer.jobs.worker import heartbeat_of

    if heartbeat_of(HomeSettings().home).is_silent:
        sys.stdout.write("No heartbeat from the worker.\n")
        sys.exit(1)
