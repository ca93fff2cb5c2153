"""Reading ahead: parts in order, read in threads before they are needed."""

import threading
from itertools import count

import pytest

from services.trainer.loading.read_ahead import PARTS_AHEAD, read_ahead


def test_parts_come_in_order_whichever_is_read_first() -> None:
    second_is_read = threading.Event()

    def read(number: int) -> int:
        if number == 1:
            second_is_read.set()
        elif number == 0:
            assert second_is_read.wait(10)
        return number

    assert list(read_ahead(read, range(5))) == [0, 1, 2, 3, 4]


def test_the_next_parts_are_read_while_one_is_used() -> None:
    read = [threading.Event() for _ in range(PARTS_AHEAD + 1)]
    parts = read_ahead(lambda number: read[number].set(), range(len(read)))
    next(parts)
    assert all(event.wait(10) for event in read)


def test_no_more_parts_are_read_than_fit_in_memory() -> None:
    started: list[int] = []
    parts = read_ahead(started.append, count())
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert len(started) <= PARTS_AHEAD + 1


def test_an_error_is_raised_at_the_part_that_could_not_be_read() -> None:
    parts = read_ahead(lambda number: 1 / number, [2, 1, 0, 3])
    assert [next(parts), next(parts)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(parts)
