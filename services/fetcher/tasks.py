"""The Celery application and its one task."""

from collections.abc import Callable

from celery import Celery

from euguess.messages.queues import Queue, TaskName
from services.fetcher.broker import Transport

TASK_SECONDS = 240  # hard limit; must stay below the visibility timeout
VISIBILITY_SECONDS = 300


def create_celery(broker_url: str) -> Celery:
    """Create Celery on Redis with the options that best protect accepted messages.

    A worker that is killed just after it took a message still loses the message. The sampler
    publishes its slots again once their leases expire.
    """
    celery = Celery("fetcher", broker=broker_url, set_as_current=False)
    celery.conf.update(
        broker_transport=f"{Transport.__module__}:{Transport.__qualname__}",
        broker_channel_error_retry=True,  # a full Redis refuses writes for a while
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=Queue.FETCH,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=10,
        worker_proc_alive_timeout=60,  # each process checks the store first
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
        },
    )
    return celery


def register(celery: Celery, fetch: Callable[[str], None]) -> None:
    """Register the task; `fetch` takes the JSON text of a FetchLocations."""

    @celery.task(name=TaskName.FETCH_LOCATIONS, time_limit=TASK_SECONDS)  # type: ignore[untyped-decorator] # celery has no types
    def fetch_locations(text: str) -> None:
        fetch(text)
