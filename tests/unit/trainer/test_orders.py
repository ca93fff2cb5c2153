"""Train messages: each is done, or kept with its reason; none is lost or done twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from euguess.errors import DatasetNotFound, InvalidRecipe, ServiceUnavailable, StoreUnavailable
from euguess.messages.collection import DeadLetter
from euguess.messages.training import TrainRun
from services.trainer.errors import Stopped
from services.trainer.jobs.deliveries import MAX_DELIVERIES
from services.trainer.jobs.orders import RETRY_SECONDS, OrderDesk

ORDER = TrainRun(dataset="demo", recipe="name = 'x'")
TAG = "tag"


class MemoryDeliveries:
    """Deliveries without a Redis."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.finished: set[str] = set()
        self.holding: list[str] = []

    @contextmanager
    def held(self, tag: str) -> Iterator[None]:
        self.holding.append(tag)
        try:
            yield
        finally:
            self.holding.remove(tag)

    def count(self, tag: str) -> int:
        self.counts[tag] += 1
        return self.counts[tag]

    def finish(self, tag: str) -> None:
        self.finished.add(tag)

    def is_finished(self, tag: str) -> bool:
        return tag in self.finished


class Bench:
    """A desk with a scripted trainer: each call takes the next error, or succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.trained: list[TrainRun] = []
        self.letters: list[DeadLetter] = []
        self.waits: list[float] = []
        self.deliveries = MemoryDeliveries()
        self.desk = OrderDesk(self.deliveries, self._train, self.letters.append, self.waits.append)

    def _train(self, order: TrainRun) -> str:
        assert self.deliveries.holding == [TAG]
        self.trained.append(order)
        if self.errors:
            raise self.errors.pop(0)
        return "run 1"

    def take(self, text: str = ORDER.model_dump_json()) -> None:
        self.desk.take(text, TAG)


def test_a_valid_order_is_trained_once() -> None:
    bench = Bench()
    bench.take()
    bench.take()
    assert bench.trained == [ORDER]
    assert bench.letters == []


@pytest.mark.parametrize(
    "text", ["", "{}", '{"dataset": "Demo", "recipe": "x"}', "[1]", "nonsense"]
)
def test_an_invalid_message_is_kept_with_its_reason(text: str) -> None:
    bench = Bench()
    bench.take(text)
    assert bench.trained == []
    assert bench.letters[0].payload == text
    assert "not a valid TrainRun" in bench.letters[0].reason


@pytest.mark.parametrize(
    "error", [InvalidRecipe("unknown key"), DatasetNotFound(), RuntimeError("out of memory")]
)
def test_what_cannot_be_trained_is_not_tried_again(error: Exception) -> None:
    bench = Bench(error)
    bench.take()
    assert len(bench.trained) == 1
    assert str(error) in bench.letters[0].reason


def test_a_training_that_was_stopped_is_neither_given_up_nor_tried_again() -> None:
    bench = Bench(Stopped(2, 15))
    bench.take()
    assert len(bench.trained) == 1
    assert bench.letters == []
    assert bench.deliveries.is_finished(TAG)


@pytest.mark.parametrize("outage", [StoreUnavailable, ServiceUnavailable])
def test_an_outage_is_waited_for(outage: Callable[[], Exception]) -> None:
    bench = Bench(outage(), outage())
    bench.take()
    assert len(bench.trained) == 3
    assert bench.waits == list(RETRY_SECONDS[:2])
    assert bench.letters == []


def test_an_outage_that_stays_ends_among_the_dead_letters() -> None:
    bench = Bench(*[StoreUnavailable() for _ in range(9)])
    bench.take()
    assert bench.waits == list(RETRY_SECONDS)
    assert "store cannot be reached" in bench.letters[0].reason


def test_a_message_that_kills_its_workers_is_given_up() -> None:
    bench = Bench()
    bench.deliveries.counts[TAG] = MAX_DELIVERIES
    bench.take()
    assert bench.trained == []
    assert "died each time" in bench.letters[0].reason
