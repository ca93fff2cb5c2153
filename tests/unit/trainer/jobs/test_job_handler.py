"""TrainRun messages: each is handled once, by training or by a dead letter; none is lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from euguess.errors import DatasetNotFound, InvalidRecipe, ServiceUnavailable, StoreUnavailable
from euguess.messages.collection import DeadLetter
from euguess.messages.training import TrainRun
from services.trainer.errors import RunBusy, Stopped
from services.trainer.jobs.deliveries import MAX_DELIVERIES
from services.trainer.jobs.handler import BUSY_SECONDS, RETRY_SECONDS, JobHandler

MESSAGE = TrainRun(dataset="demo", recipe="name = 'x'")
TAG = "tag"


class MemoryDeliveryLog:
    """Deliveries in memory, without Redis."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.handled: set[str] = set()
        self.holding: list[str] = []

    @contextmanager
    def claimed(self, tag: str) -> Iterator[None]:
        self.holding.append(tag)
        try:
            yield
        finally:
            self.holding.remove(tag)

    def count(self, tag: str) -> int:
        self.counts[tag] += 1
        return self.counts[tag]

    def mark_handled(self, tag: str) -> None:
        self.handled.add(tag)

    def is_handled(self, tag: str) -> bool:
        return tag in self.handled


class ScriptedHandler:
    """A handler with a scripted trainer: each call raises the next error, or succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.trained: list[TrainRun] = []
        self.letters: list[DeadLetter] = []
        self.waits: list[float] = []
        self.deliveries = MemoryDeliveryLog()
        self.handler = JobHandler(
            self.deliveries, self._train, self.letters.append, self.waits.append
        )

    def _train(self, message: TrainRun) -> str:
        assert self.deliveries.holding == [TAG]
        self.trained.append(message)
        if self.errors:
            raise self.errors.pop(0)
        return "run 1"

    def handle(self, text: str = MESSAGE.model_dump_json()) -> None:
        self.handler.handle(text, TAG)


def test_a_valid_message_is_trained_once() -> None:
    scripted = ScriptedHandler()
    scripted.handle()
    scripted.handle()
    assert scripted.trained == [MESSAGE]
    assert scripted.letters == []


@pytest.mark.parametrize(
    "text", ["", "{}", '{"dataset": "Demo", "recipe": "x"}', "[1]", "nonsense"]
)
def test_an_invalid_message_is_dead_lettered_with_its_reason(text: str) -> None:
    scripted = ScriptedHandler()
    scripted.handle(text)
    assert scripted.trained == []
    assert scripted.letters[0].payload == text
    assert "not a valid TrainRun" in scripted.letters[0].reason


@pytest.mark.parametrize(
    "error", [InvalidRecipe("unknown key"), DatasetNotFound(), RuntimeError("out of memory")]
)
def test_permanent_failures_are_not_retried(error: Exception) -> None:
    scripted = ScriptedHandler(error)
    scripted.handle()
    assert len(scripted.trained) == 1
    assert str(error) in scripted.letters[0].reason


def test_a_stopped_run_is_neither_dead_lettered_nor_retried() -> None:
    scripted = ScriptedHandler(Stopped("epoch 2 of 15"))
    scripted.handle()
    assert len(scripted.trained) == 1
    assert scripted.letters == []
    assert scripted.deliveries.is_handled(TAG)


@pytest.mark.parametrize("outage", [StoreUnavailable, ServiceUnavailable])
def test_runs_are_retried_during_an_outage(outage: Callable[[], Exception]) -> None:
    scripted = ScriptedHandler(outage(), outage())
    scripted.handle()
    assert len(scripted.trained) == 3
    assert scripted.waits == list(RETRY_SECONDS[:2])
    assert scripted.letters == []


def test_a_lasting_outage_dead_letters_the_message() -> None:
    scripted = ScriptedHandler(*[StoreUnavailable() for _ in range(9)])
    scripted.handle()
    assert scripted.waits == list(RETRY_SECONDS)
    assert "object store does not respond" in scripted.letters[0].reason


def test_a_run_that_another_process_trains_is_waited_for() -> None:
    scripted = ScriptedHandler(*[RunBusy() for _ in range(9)])
    scripted.handle()
    assert scripted.waits == [BUSY_SECONDS] * 9
    assert len(scripted.trained) == 10
    assert scripted.letters == []


def test_a_message_that_another_worker_handled_meanwhile_is_not_trained_again() -> None:
    scripted = ScriptedHandler(*[RunBusy() for _ in range(9)])
    scripted.handler = replace(
        scripted.handler, wait=lambda _: scripted.deliveries.mark_handled(TAG)
    )
    scripted.handle()
    assert len(scripted.trained) == 1
    assert scripted.letters == []


def test_a_message_that_kills_its_workers_is_dead_lettered() -> None:
    scripted = ScriptedHandler()
    scripted.deliveries.counts[TAG] = MAX_DELIVERIES
    scripted.handle()
    assert scripted.trained == []
    assert "Every worker" in scripted.letters[0].reason
