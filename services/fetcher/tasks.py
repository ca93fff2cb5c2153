"""The Celery side: one task, whose options are written here."""

from collections.abc import Callable

from celery import Celery

from euguess.messages.queues import Queue, TaskName

TASK_SECONDS = 240  # hard limit; must stay below the visibility timeout
VISIBILITY_SECONDS = 300


def create_celery(broker_url: str) -> Celery:
    """Celery on Redis with the switches that keep accepted messages, as far as it can.

    A worker that is killed between taking a message and noting it loses the message all the same;
    the sampler's leases are what brings its slots back.
    """
    celery = Celery("fetcher", broker=broker_url, set_as_current=False)
    celery.conf.update(
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
        worker_proc_alive_timeout=60,  # a process has the store tested before it takes a task
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
        },
    )
    return celery


def register(celery: Celery, fetch: Callable[[str], None]) -> None:
    """Add the task; `fetch` takes the JSON text of a FetchLocations."""

    @celery.task(name=TaskName.FETCH_LOCATIONS, time_limit=TASK_SECONDS)  # type: ignore[untyped-decorator] # celery has no types
    def fetch_locations(text: str) -> None:
        fetch(text)
