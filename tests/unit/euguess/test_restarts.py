"""A server that keeps ending is started again later and later."""

from euguess.stack.restarts import LOOP_ENDS, MAX_DELAY_SECONDS, WINDOW_SECONDS, Restarts


def test_the_delay_doubles_up_to_a_limit() -> None:
    restarts = Restarts(first_delay_seconds=1)
    delays = [restarts.delay_after_end(now) for now in range(8)]
    assert delays == [1, 2, 4, 8, 16, 32, MAX_DELAY_SECONDS, MAX_DELAY_SECONDS]


def test_many_ends_in_a_short_time_are_a_loop() -> None:
    restarts = Restarts()
    for now in range(LOOP_ENDS):
        assert not restarts.is_looping(now)
        restarts.delay_after_end(now)
    assert restarts.is_looping(LOOP_ENDS)


def test_ends_long_ago_are_forgotten() -> None:
    restarts = Restarts(first_delay_seconds=1)
    for now in range(20):
        restarts.delay_after_end(now)
    assert restarts.delay_after_end(20 + WINDOW_SECONDS) == 1
