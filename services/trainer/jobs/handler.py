"""Handles TrainRun messages: run, retry or dead-letter."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from euguess.clock import utc_now
from euguess.errors import EUGuessError, ServiceUnavailable, StoreUnavailable
from euguess.messages.collection import DeadLetter
from euguess.messages.training import TrainRun
from services.trainer.errors import RunBusy, Stopped
from services.trainer.jobs.deliveries import MAX_DELIVERIES

SOURCE = "trainer"
RETRY_SECONDS = (10.0, 30.0, 90.0, 270.0)  # before each retry of a transient failure
BUSY_SECONDS = 60.0  # between checks whether another process has ended the run
TRANSIENT = (ServiceUnavailable, StoreUnavailable)

logger = logging.getLogger(__name__)

Train = Callable[[TrainRun], str]  # returns the outcome in one line
Bury = Callable[[DeadLetter], None]


class DeliveryLog(Protocol):
    """Deliveries by tag; see services.trainer.jobs.deliveries."""

    def claimed(self, tag: str) -> AbstractContextManager[None]: ...

    def count(self, tag: str) -> int: ...

    def mark_handled(self, tag: str) -> None: ...

    def is_handled(self, tag: str) -> bool: ...


class WorkerLost(EUGuessError):
    """Every worker that took this run died; it may need more memory than the machine has."""


@dataclass(frozen=True)
class JobHandler:
    """Handles one message at a time. wait is time.sleep, except in tests."""

    deliveries: DeliveryLog
    train: Train
    bury: Bury
    wait: Callable[[float], None] = time.sleep

    def handle(self, text: str, tag: str) -> None:
        """Handle a message completely; once this returns, it may be acknowledged."""
        if self.deliveries.is_handled(tag):
            return
        try:
            self._run(text, tag)
        except ValidationError as error:
            self._give_up(text, f"not a valid TrainRun: {_first(error)}")
        except Stopped as stopped:
            logger.info("Run ended early: %s", stopped)
        except EUGuessError as error:
            self._give_up(text, str(error))
        except Exception as error:  # the message must neither be lost nor block the queue
            logger.exception("Run failed")
            self._give_up(text, f"{type(error).__name__}: {error}")
        self.deliveries.mark_handled(tag)

    def _run(self, text: str, tag: str) -> None:
        if self.deliveries.count(tag) > MAX_DELIVERIES:
            raise WorkerLost
        message = TrainRun.model_validate_json(text)
        with self.deliveries.claimed(tag):
            logger.info("Trained on %s: %s", message.dataset, self._train_when_free(message, tag))

    def _train_when_free(self, message: TrainRun, tag: str) -> str:
        """Wait while another process trains the run; it may hold an earlier delivery."""
        while True:
            try:
                return self._train_with_retries(message)
            except RunBusy as busy:
                logger.info("%s Checking again in %g s.", busy, BUSY_SECONDS)
                self.wait(BUSY_SECONDS)
            if self.deliveries.is_handled(tag):
                return "handled by another worker"

    def _train_with_retries(self, message: TrainRun) -> str:
        """Retry while the store or MLflow is unavailable; each retry resumes the run."""
        for delay in RETRY_SECONDS:
            try:
                return self.train(message)
            except TRANSIENT as error:
                logger.warning("%s Trying again in %g s.", error, delay)
                self.wait(delay)
        return self.train(message)

    def _give_up(self, text: str, reason: str) -> None:
        logger.error("Gave up on a run: %s", reason)
        self.bury(DeadLetter(source=SOURCE, reason=reason, payload=text, at=utc_now()))


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
