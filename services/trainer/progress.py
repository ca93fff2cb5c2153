"""How long work tells its caller how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, in all)


def no_progress(done: int, total: int) -> None:
    """For callers who do not watch."""
