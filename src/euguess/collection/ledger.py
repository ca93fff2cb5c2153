"""The live view of collections in Redis: leases, outcomes, reservations, pauses, dead letters.

The object store is the source of truth. If the live view is lost, it is rebuilt from the store.
The live view makes work exclusive (leases, panorama reservations) and visible (outcomes).
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError
from redis.asyncio import Redis

from euguess.clock import utc_now
from euguess.collection.budget import account_key
from euguess.collection.redis_connection import load_script
from euguess.messages.collection import DeadLetter, SlotKey, SlotOutcome
from euguess.messages.queues import Queue

logger = logging.getLogger(__name__)
T = TypeVar("T")

OUTCOME_STREAM = "euguess:outcomes"
DEAD_LETTERS = "euguess:dead-letters"
OUTCOME_STREAM_LENGTH = 200_000  # entries, about 100 MB; slower readers rebuild from the store
DEAD_LETTERS_LENGTH = 10_000
MARKER = "euguess:marker"
PROBE = "euguess:probe"
LUA = "euguess.collection"


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive right to work on a slot until it expires; a higher fence outdates it.

    A fence is begun once, by one owner, even after the lease has expired: a message that is
    delivered again does nothing.
    """

    fence: int
    is_live: bool  # it has not expired
    is_begun: bool = False  # a fetcher has started; until then the message may be queued or lost
    is_ended: bool = False  # its outcome has been announced, or it has been withdrawn
    seconds_left: float = field(default=0.0, compare=False)


def _leases_key(dataset: str) -> str:
    return f"euguess:leases:{dataset}"


def _outcomes_key(dataset: str) -> str:
    return f"euguess:outcomes:{dataset}"


def _panoramas_key(dataset: str) -> str:
    return f"euguess:panoramas:{dataset}"


def _progress_key(dataset: str) -> str:
    return f"euguess:progress:{dataset}"


def _pause_key(provider: str) -> str:
    return f"euguess:pause:{provider}"


class Ledger:
    """Operations of sampler and fetchers on the live view. Redis errors pass through."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lease = load_script(redis, LUA, "leases", "lease")
        self._begin = load_script(redis, LUA, "leases", "begin")
        self._withdraw = load_script(redis, LUA, "leases", "withdraw")
        self._record = load_script(redis, LUA, "leases", "record")
        self._panorama = load_script(redis, LUA, "panorama")

    # --- leases ---

    async def lease(self, dataset: str, fences: Mapping[SlotKey, int], seconds: float) -> None:
        """Take leases for slots that are about to be published."""
        await self._lease(
            keys=[_leases_key(dataset)], args=[_milliseconds(seconds), *_pairs(fences)]
        )

    async def begin(
        self, dataset: str, fences: Mapping[SlotKey, int], owner: str, seconds: float
    ) -> set[SlotKey]:
        """Begin work on published slots; `owner` names one delivery of their message.

        Returns the slots that may be worked on. The others have ended, have a newer publication,
        or were begun by another delivery.
        """
        arguments: list[str | int] = [owner, _milliseconds(seconds), *_pairs(fences)]
        keys = [_leases_key(dataset), _outcomes_key(dataset)]
        return _slots(await self._begin(keys=keys, args=arguments))

    async def renew(
        self, dataset: str, slot: SlotKey, fence: int, owner: str, seconds: float
    ) -> bool:
        """Extend a lease, even an expired one, or take it again if Redis has lost it.

        False once the slot has ended, or a newer publication or another owner has it.
        """
        return slot in await self.begin(dataset, {slot: fence}, owner, seconds)

    async def withdraw(self, dataset: str, fences: Mapping[SlotKey, int]) -> set[SlotKey]:
        """Outdate publications that no fetcher has begun, by fences above theirs.

        Returns the slots that were withdrawn. Slots without a lease are not.
        """
        return _slots(await self._withdraw(keys=[_leases_key(dataset)], args=_pairs(fences)))

    async def leases(self, dataset: str) -> dict[SlotKey, Lease]:
        """Return all leases, expired ones included."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(_leases_key(dataset))
            pipeline.time()
            raw, (seconds, microseconds) = await pipeline.execute()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        parse = partial(_parse_lease, now_ms=now_ms)
        return await self._readable(_leases_key(dataset), raw, parse)

    # --- Redis itself ---

    async def identity(self) -> str:
        """Return an id of Redis's current data, which changes with a restart, a loss or a flush."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.set(MARKER, secrets.token_hex(8), nx=True)
            pipeline.get(MARKER)
            pipeline.info("server")
            _, marker, server = await pipeline.execute()
        return f"{_text(marker or b'')} {server['run_id']}"

    async def check_writable(self) -> None:
        """Raise Redis's error if it does not accept writes: it is down, full or read-only."""
        await self._redis.set(PROBE, 1, ex=60)

    # --- outcomes ---

    async def record(self, outcome: SlotOutcome) -> None:
        """Announce an outcome and end its lease. A final one is kept; the first one wins."""
        keys = [_leases_key(outcome.dataset), _outcomes_key(outcome.dataset), OUTCOME_STREAM]
        arguments: list[str | int] = [str(outcome.slot), outcome.fence, outcome.model_dump_json()]
        arguments += [int(outcome.status.is_final), OUTCOME_STREAM_LENGTH]
        await self._record(keys=keys, args=arguments)

    async def keep_progress(
        self, dataset: str, slot: SlotKey, next_candidate: int, failures: int
    ) -> None:
        """Store the progress of a slot that has not ended."""
        value = f"{next_candidate} {failures}"
        await self._redis.hset(_progress_key(dataset), str(slot), value)

    async def progress(self, dataset: str) -> dict[SlotKey, tuple[int, int]]:
        """Return next candidate and failures by slot, including slots that have ended."""
        raw = await self._redis.hgetall(_progress_key(dataset))
        return await self._readable(_progress_key(dataset), raw, _parse_progress)

    async def outcomes(self, dataset: str) -> dict[SlotKey, SlotOutcome]:
        """Return the final outcomes kept here; the store may have more after Redis lost data."""
        raw = await self._redis.hgetall(_outcomes_key(dataset))
        return await self._readable(_outcomes_key(dataset), raw, SlotOutcome.model_validate_json)

    async def has_view(self, dataset: str) -> bool:
        """Return False if Redis knows nothing of a dataset's slots: it is new, or Redis lost it."""
        keys = (_leases_key, _outcomes_key, _progress_key)
        return bool(await self._redis.exists(*(key(dataset) for key in keys)))

    async def _readable(
        self, key: str, raw: Mapping[Any, Any], parse: Callable[[str], T]
    ) -> dict[SlotKey, T]:
        """Parse a hash of values by slot. Damaged entries are dropped, for they can be restored."""
        # In a thread: a million outcomes take seconds, in which other tasks must go on.
        found, damaged = await asyncio.to_thread(_parse_by_slot, raw, parse)
        if damaged:
            extra = {"action": "damaged", "key": key}
            logger.error("dropped %d damaged entries of %s", len(damaged), key, extra=extra)
            await self._redis.hdel(key, *damaged)
        return found

    async def restore(self, outcomes: Iterable[SlotOutcome]) -> None:
        """Restore final outcomes from the store."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for outcome in outcomes:
                key, text = _outcomes_key(outcome.dataset), outcome.model_dump_json()
                pipeline.hsetnx(key, str(outcome.slot), text)
            await pipeline.execute()

    async def last_event(self) -> str:
        """Return the position of the newest event in the outcome stream."""
        newest: Any = await self._redis.xrevrange(OUTCOME_STREAM, count=1)
        return _text(newest[0][0]) if newest else "0-0"

    async def events(
        self, after: str, *, block_ms: int, count: int = 1000
    ) -> list[tuple[str, SlotOutcome | None]]:
        """Return outcomes announced after a position, oldest first; wait up to block_ms for one.

        An outcome that does not validate is returned as None and becomes a dead letter.
        """
        answer = await self._redis.xread({OUTCOME_STREAM: after}, count=count, block=block_ms)
        entries = [entry for _, stream in _streams(answer) for entry in stream]
        return [(_text(position), await self._outcome(fields)) for position, fields in entries]

    async def _outcome(self, fields: Mapping[Any, Any]) -> SlotOutcome | None:
        text = _field(fields, "outcome")
        try:
            return SlotOutcome.model_validate_json(text)
        except ValidationError as error:
            reason = f"invalid outcome: {error.error_count()} errors"
            letter = DeadLetter(source="sampler", reason=reason, payload=text, at=utc_now())
            await self.bury(letter)
            return None

    # --- panoramas ---

    async def reserve_panorama(self, dataset: str, location_id: str, slot: SlotKey) -> bool:
        """Claim a panorama for a slot; False if another slot of the dataset has it.

        A slot that has ended with another location, or with none, passes it on, so that images
        that were paid for are used.
        """
        keys = [_panoramas_key(dataset), _outcomes_key(dataset)]
        return bool(await self._panorama(keys=keys, args=[location_id, str(slot)]))

    # --- pauses and dead letters ---

    async def pause(self, provider: str, reason: str, seconds: float | None) -> None:
        """Pause a provider, for some seconds or (None) until `resume`."""
        milliseconds = None if seconds is None else int(seconds * 1000)
        await self._redis.set(_pause_key(provider), reason, px=milliseconds)

    async def resume(self, provider: str) -> None:
        await self._redis.delete(_pause_key(provider))

    async def paused(self, provider: str) -> str | None:
        """Return why a provider is paused, or None."""
        reason = await self._redis.get(_pause_key(provider))
        return None if reason is None else _text(reason)

    async def bury(self, letter: DeadLetter) -> None:
        """Add a dead letter."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.lpush(DEAD_LETTERS, letter.model_dump_json())
            pipeline.ltrim(DEAD_LETTERS, 0, DEAD_LETTERS_LENGTH - 1)
            await pipeline.execute()

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return dead letters, newest first."""
        raw = await self._redis.lrange(DEAD_LETTERS, 0, limit - 1)
        return [_dead_letter(text) for text in raw]

    async def dead_letter_count(self) -> int:
        return int(await self._redis.llen(DEAD_LETTERS))

    async def queued_messages(self, queue: Queue) -> int:
        """Count messages that no worker has taken; Celery keeps a queue as a list of that name."""
        return int(await self._redis.llen(queue.value))

    async def forget_view(self, dataset: str) -> None:
        """Drop what the store can restore: outcomes, progress and the account.

        Leases and panoramas stay, since fetchers may be at work.
        """
        view = (_outcomes_key, _progress_key, account_key)
        await self._redis.delete(*(key(dataset) for key in view))

    async def forget(self, dataset: str) -> None:
        """Drop everything about a dataset that was deleted."""
        view = (_leases_key, _outcomes_key, _progress_key, _panoramas_key, account_key)
        await self._redis.delete(*(key(dataset) for key in view))


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _parse_by_slot(
    raw: Mapping[Any, Any], parse: Callable[[str], T]
) -> tuple[dict[SlotKey, T], list[Any]]:
    """Return the readable entries, and the names of the others."""
    found, damaged = {}, []
    for name, value in raw.items():
        try:
            found[SlotKey.parse(_text(name))] = parse(_text(value))
        except ValueError:
            damaged.append(name)
    return found, damaged


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _pairs(fences: Mapping[SlotKey, int]) -> list[str | int]:
    return [part for slot, fence in fences.items() for part in (str(slot), fence)]


def _slots(names: Iterable[bytes | str]) -> set[SlotKey]:
    return {SlotKey.parse(_text(name)) for name in names}


def _parse_lease(text: str, now_ms: int) -> Lease:
    fence, expires_ms, *begun = text.split()
    return Lease(
        int(fence),
        is_live=float(expires_ms) > now_ms,
        is_begun=bool(begun),
        is_ended=float(expires_ms) == 0,
        seconds_left=max(0.0, (float(expires_ms) - now_ms) / 1000),
    )


def _parse_progress(text: str) -> tuple[int, int]:
    next_candidate, failures = text.split()
    return int(next_candidate), int(failures)


def _dead_letter(text: bytes | str) -> DeadLetter:
    try:
        return DeadLetter.model_validate_json(text)
    except ValidationError:
        reason, epoch = "this dead letter is damaged", datetime.fromtimestamp(0, UTC)
        return DeadLetter(source="unknown", reason=reason, payload=_text(text), at=epoch)


def _streams(answer: Any) -> Iterable[tuple[Any, Any]]:
    return answer.items() if isinstance(answer, dict) else answer or ()


def _field(fields: Mapping[Any, Any], name: str) -> str:
    return _text(fields.get(name.encode()) or fields.get(name) or "")
