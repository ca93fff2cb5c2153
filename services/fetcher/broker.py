"""Celery's connection to Redis, with a fix that keeps a worker alive when Redis restarts."""

import contextlib
from queue import Empty

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that closes completely, even if its connection is lost.

    In kombu 5.7.0, closing fails on the reply to a pending BRPOP before it marks the channel as
    closed. Celery closes it again without its transport and ends with "'NoneType' object has no
    attribute 'hostname'".
    """

    def close(self) -> None:
        if self._in_poll:
            with contextlib.suppress(Empty, *self.connection_errors, self.ResponseError):
                self._brpop_read()  # type: ignore[no-untyped-call] # kombu has no types
        super().close()  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """The Redis transport with these channels."""

    Channel = Channel
