"""The live view of collections in Redis: leases, outcomes, reservations, pauses, dead letters.

The object store is the truth; all of this may be lost and is rebuilt from there. What is
kept here makes work exclusive (leases, panorama reservations) and visible (outcomes).
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from redis.asyncio import BlockingConnectionPool, Redis

from euguess.clock import utc_now
from euguess.collection.budget import account_key
from euguess.messages.collection import (
    DeadLetter,
    SlotKey,
    SlotOutcome,
)
from euguess.messages.queues import Queue

OUTCOME_STREAM = "euguess:outcomes"
DEAD_LETTERS = "euguess:dead-letters"
OUTCOME_STREAM_LENGTH = 200_000  # entries, about 100 MB; readers rebuild from the store beyond it
DEAD_LETTERS_LENGTH = 10_000
MARKER = "euguess:marker"
PROBE = "euguess:probe"

# A lease is "<fence> <expiry in ms>", and " begun" once a fetcher works on it. Redis's own clock
# decides, so that skew between hosts does not matter.
_NOW_MS = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000) "
_LEASE = _NOW_MS + (
    "for i = 2, #ARGV, 2 do "
    "redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. (now + ARGV[1])) end"
)
_BEGIN = _NOW_MS + (
    "local lease = redis.call('HGET', KEYS[1], ARGV[2]) "
    "if lease and tonumber(string.match(lease, '^%d+')) > tonumber(ARGV[3]) then return 0 end "
    "redis.call('HSET', KEYS[1], ARGV[2], ARGV[3] .. ' ' .. (now + ARGV[1]) .. ' begun') return 1"
)
_RELEASE = (
    "local lease = redis.call('HGET', KEYS[1], ARGV[1]) "
    "if lease and tonumber(string.match(lease, '^%d+')) <= tonumber(ARGV[2]) then "
    "redis.call('HDEL', KEYS[1], ARGV[1]) end"
)


REDIS_CONNECTIONS = 32  # of a process; further calls wait for a free one
REDIS_WAIT_SECONDS = 30.0


def open_redis(url: str) -> Redis:
    """A client whose concurrent calls share a bounded number of connections."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=REDIS_CONNECTIONS,
        timeout=REDIS_WAIT_SECONDS,
        socket_connect_timeout=5,
        socket_timeout=REDIS_WAIT_SECONDS,
    )
    return Redis.from_pool(pool)  # which closes the pool with the client


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a slot until it expires; a higher fence outdates lower ones."""

    fence: int
    expires_ms: int
    begun: bool = False  # a fetcher has started; until then the message may be lost or queued


def _leases_key(dataset: str) -> str:
    return f"euguess:leases:{dataset}"


def _outcomes_key(dataset: str) -> str:
    return f"euguess:outcomes:{dataset}"


def _panoramas_key(dataset: str) -> str:
    return f"euguess:panoramas:{dataset}"


def _intents_key(dataset: str) -> str:
    return f"euguess:intents:{dataset}"


def _possibly_paid_key(dataset: str) -> str:
    return f"euguess:possibly-paid:{dataset}"


def _progress_key(dataset: str) -> str:
    return f"euguess:progress:{dataset}"


def _pause_key(provider: str) -> str:
    return f"euguess:pause:{provider}"


class Ledger:
    """Operations of sampler and fetchers on the live view. Redis errors pass through."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    # --- leases ---

    async def lease(self, dataset: str, fences: Mapping[SlotKey, int], seconds: float) -> None:
        """Take leases for slots that are about to be published."""
        pairs = [part for slot, fence in fences.items() for part in (str(slot), fence)]
        await self._redis.eval(_LEASE, 1, _leases_key(dataset), int(seconds * 1000), *pairs)

    async def begin(self, dataset: str, slot: SlotKey, fence: int, seconds: float) -> bool:
        """Start or prolong work on a slot; False when a newer publication outdates this one."""
        key, milliseconds = _leases_key(dataset), int(seconds * 1000)
        return bool(await self._redis.eval(_BEGIN, 1, key, milliseconds, str(slot), fence))

    async def leases(self, dataset: str) -> dict[SlotKey, Lease]:
        """All leases, expired ones included."""
        raw = await self._redis.hgetall(_leases_key(dataset))
        return {
            SlotKey.parse(_text(slot)): _parse_lease(_text(lease)) for slot, lease in raw.items()
        }

    async def drop_lease(self, dataset: str, slot: SlotKey, fence: int) -> None:
        """Give a lease back unless a newer fence holds it."""
        await self._redis.eval(_RELEASE, 1, _leases_key(dataset), str(slot), fence)

    async def now_ms(self) -> int:
        """Redis's clock, which lease expiries refer to."""
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    # --- Redis itself ---

    async def identity(self) -> str:
        """Names Redis's present data: another one after a restart, a loss or a flush."""
        await self._redis.set(MARKER, secrets.token_hex(8), nx=True)
        marker = _text(await self._redis.get(MARKER) or b"")
        return f"{marker} {(await self._redis.info('server'))['run_id']}"

    async def check_writable(self) -> None:
        """Raise Redis's error when it takes no writes: it is down, full or read-only."""
        await self._redis.set(PROBE, 1, ex=60)

    # --- outcomes ---

    async def record(self, outcome: SlotOutcome) -> None:
        """Announce an outcome and give back its lease; a final one is kept, the first wins."""
        text = outcome.model_dump_json()
        if outcome.status.is_final:
            await self._redis.hsetnx(_outcomes_key(outcome.dataset), str(outcome.slot), text)
        await self._redis.xadd(
            OUTCOME_STREAM, {"outcome": text}, maxlen=OUTCOME_STREAM_LENGTH, approximate=True
        )
        await self.drop_lease(outcome.dataset, outcome.slot, outcome.fence)

    async def keep_progress(
        self, dataset: str, slot: SlotKey, next_candidate: int, failures: int
    ) -> None:
        """Note how far a slot without a final outcome has come."""
        value = f"{next_candidate} {failures}"
        await self._redis.hset(_progress_key(dataset), str(slot), value)

    async def progress(self, dataset: str) -> dict[SlotKey, tuple[int, int]]:
        """Next candidate and failures by slot; also of slots that are final by now."""
        raw = await self._redis.hgetall(_progress_key(dataset))
        pairs = ((slot, _text(value).split()) for slot, value in raw.items())
        return {SlotKey.parse(_text(slot)): (int(n), int(f)) for slot, (n, f) in pairs}

    async def outcomes(self, dataset: str) -> dict[SlotKey, SlotOutcome]:
        """Final outcomes known here; the store may know more after Redis was lost."""
        raw = await self._redis.hgetall(_outcomes_key(dataset))
        parsed = (SlotOutcome.model_validate_json(value) for value in raw.values())
        return {outcome.slot: outcome for outcome in parsed}

    async def restore(self, outcomes: Iterable[SlotOutcome]) -> None:
        """Put final outcomes that the store knows back into the live view."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for outcome in outcomes:
                key, text = _outcomes_key(outcome.dataset), outcome.model_dump_json()
                pipeline.hsetnx(key, str(outcome.slot), text)
            await pipeline.execute()

    async def last_event(self) -> str:
        """Position of the newest event in the outcome stream, to read on from."""
        newest: Any = await self._redis.xrevrange(OUTCOME_STREAM, count=1)
        return _text(newest[0][0]) if newest else "0-0"

    async def events(
        self, after: str, *, block_ms: int, count: int = 1000
    ) -> list[tuple[str, SlotOutcome | None]]:
        """Outcomes announced after a position, oldest first; waits up to block_ms for one.

        What does not validate is None here and a dead letter.
        """
        answer = await self._redis.xread({OUTCOME_STREAM: after}, count=count, block=block_ms)
        entries = [entry for _, stream in _streams(answer) for entry in stream]
        return [(_text(position), await self._outcome(fields)) for position, fields in entries]

    async def _outcome(self, fields: Mapping[Any, Any]) -> SlotOutcome | None:
        text = _field(fields, "outcome")
        try:
            return SlotOutcome.model_validate_json(text)
        except ValidationError as error:
            reason = f"an outcome that does not validate: {error.error_count()} errors"
            letter = DeadLetter(source="sampler", reason=reason, payload=text, at=utc_now())
            await self.bury(letter)
            return None

    # --- panoramas and paid calls ---

    async def reserve_panorama(self, dataset: str, location_id: str, slot: SlotKey) -> bool:
        """Claim a panorama for a slot; False when another slot of the dataset has it."""
        key = _panoramas_key(dataset)
        if await self._redis.hsetnx(key, location_id, str(slot)):
            return True
        holder = await self._redis.hget(key, location_id)
        return holder is not None and _text(holder) == str(slot)

    async def intend(self, dataset: str, image: str) -> bool:
        """Note a paid call before it is made; False when an earlier one has no outcome yet."""
        return bool(await self._redis.hsetnx(_intents_key(dataset), image, await self.now_ms()))

    async def settle(self, dataset: str, images: Iterable[str]) -> None:
        """Forget the intents of calls whose result is stored or known not to be billed."""
        names = list(images)
        if names:
            await self._redis.hdel(_intents_key(dataset), *names)

    async def count_possibly_paid(self, dataset: str) -> None:
        """Note that a call had to be made again because its first result is unknown."""
        await self._redis.incr(_possibly_paid_key(dataset))

    async def possibly_paid(self, dataset: str) -> int:
        """Calls without a known result: made again, still in flight, or lost for good."""
        again = await self._redis.get(_possibly_paid_key(dataset))
        return int(again or 0) + int(await self._redis.hlen(_intents_key(dataset)))

    # --- pauses and dead letters ---

    async def pause(self, provider: str, reason: str, seconds: float | None) -> None:
        """Stop publishing for a provider, for a time or (None) until `resume`."""
        milliseconds = None if seconds is None else int(seconds * 1000)
        await self._redis.set(_pause_key(provider), reason, px=milliseconds)

    async def resume(self, provider: str) -> None:
        await self._redis.delete(_pause_key(provider))

    async def paused(self, provider: str) -> str | None:
        """Why a provider is paused, if it is."""
        reason = await self._redis.get(_pause_key(provider))
        return None if reason is None else _text(reason)

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a message that was given up."""
        await self._redis.lpush(DEAD_LETTERS, letter.model_dump_json())
        await self._redis.ltrim(DEAD_LETTERS, 0, DEAD_LETTERS_LENGTH - 1)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters first."""
        raw = await self._redis.lrange(DEAD_LETTERS, 0, limit - 1)
        return [DeadLetter.model_validate_json(text) for text in raw]

    async def dead_letter_count(self) -> int:
        return int(await self._redis.llen(DEAD_LETTERS))

    async def waiting_messages(self, queue: Queue) -> int:
        """Messages that no worker has taken yet; Celery keeps a queue as the list of its name."""
        return int(await self._redis.llen(queue.value))

    async def forget(self, dataset: str) -> None:
        """Drop the live view of a dataset (before it is rebuilt from the store)."""
        view = (_leases_key, _outcomes_key, _progress_key)
        calls = (_panoramas_key, _intents_key, _possibly_paid_key)
        await self._redis.delete(*(key(dataset) for key in (*view, *calls, account_key)))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parse_lease(text: str) -> Lease:
    fence, expires_ms, *begun = text.split()
    return Lease(int(fence), int(float(expires_ms)), bool(begun))


def _streams(answer: Any) -> Iterable[tuple[Any, Any]]:
    return answer.items() if isinstance(answer, dict) else answer or ()


def _field(fields: Mapping[Any, Any], name: str) -> str:
    return _text(fields.get(name.encode()) or fields.get(name) or "")
