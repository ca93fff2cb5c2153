"""What becomes of a TrainRun message: done, tried again, or put among the dead letters."""

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
from services.trainer.errors import Stopped
from services.trainer.jobs.deliveries import MAX_DELIVERIES

SOURCE = "trainer"
RETRY_SECONDS = (10.0, 30.0, 90.0, 270.0)  # after each transient failure but the last
TRANSIENT = (ServiceUnavailable, StoreUnavailable)

logger = logging.getLogger(__name__)

Train = Callable[[TrainRun], str]  # returns a line that says what came of it
Bury = Callable[[DeadLetter], None]


class Deliveries(Protocol):
    """What is known of messages by their delivery tags; see services.trainer.jobs.deliveries."""

    def held(self, tag: str) -> AbstractContextManager[None]: ...

    def count(self, tag: str) -> int: ...

    def finish(self, tag: str) -> None: ...

    def is_finished(self, tag: str) -> bool: ...


class WorkerLost(EUGuessError):
    """The workers that took this training died each time; it may need more memory than there is."""


@dataclass(frozen=True)
class OrderDesk:
    """Takes messages. wait is time.sleep but in tests."""

    deliveries: Deliveries
    train: Train
    bury: Bury
    wait: Callable[[float], None] = time.sleep

    def take(self, text: str, tag: str) -> None:
        """Deal with a message for good: when this returns, it may be acknowledged."""
        if self.deliveries.is_finished(tag):
            return
        try:
            if self.deliveries.count(tag) > MAX_DELIVERIES:
                raise WorkerLost
            order = TrainRun.model_validate_json(text)
            with self.deliveries.held(tag):
                logger.info("Trained on %s: %s", order.dataset, self._persistently(order))
        except ValidationError as error:
            self._give_up(text, f"not a valid TrainRun: {_first(error)}")
        except Stopped as stopped:
            logger.info("A training ended: %s", stopped)
        except EUGuessError as error:
            self._give_up(text, str(error))
        except Exception as error:  # it must neither be lost nor block the queue
            logger.exception("A training failed")
            self._give_up(text, f"{type(error).__name__}: {error}")
        self.deliveries.finish(tag)

    def _persistently(self, order: TrainRun) -> str:
        """Try again while the store or MLflow is away; a training goes on where it stopped."""
        for delay in RETRY_SECONDS:
            try:
                return self.train(order)
            except TRANSIENT as error:
                logger.warning("%s Trying again in %g s.", error, delay)
                self.wait(delay)
        return self.train(order)

    def _give_up(self, text: str, reason: str) -> None:
        logger.error("Gave up a training: %s", reason)
        self.bury(DeadLetter(source=SOURCE, reason=reason, payload=text, at=utc_now()))


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
