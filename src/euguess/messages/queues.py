"""Names of queues and tasks on the broker; no other module spells them out."""

from enum import StrEnum


class Queue(StrEnum):
    """Celery queues."""

    FETCH = "fetch"
    TRAIN = "train"


class TaskName(StrEnum):
    """Celery task names."""

    FETCH_LOCATIONS = "euguess.fetch_locations"
    TRAIN_RUN = "euguess.train_run"
