"""Read the next parts of a data set in threads while the current one is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

PARTS_AHEAD = 2  # read at the same time, each in a thread of its own

Key = TypeVar("Key")
Part = TypeVar("Part")


def read_ahead(read: Callable[[Key], Part], keys: Iterable[Key]) -> Iterator[Part]:
    """Yield read(key) for each key, in order; an error is raised when its turn comes."""
    pool = ThreadPoolExecutor(PARTS_AHEAD, thread_name_prefix="read-ahead")
    pending: deque[Future[Part]] = deque()
    try:
        for key in keys:
            pending.append(pool.submit(read, key))
            if len(pending) > PARTS_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
