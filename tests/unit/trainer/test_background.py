"""Work that is repeated in the background."""

import threading

from services.trainer.background import repeated


def test_work_is_repeated_while_the_body_runs_and_no_longer() -> None:
    times: list[None] = []
    third = threading.Event()

    def work() -> None:
        times.append(None)
        if len(times) == 3:
            third.set()

    with repeated(work, 0.001):
        assert third.wait(10)
    count = len(times)
    assert not threading.Event().wait(0.02)
    assert len(times) == count
