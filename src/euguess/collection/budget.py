"""What collections may spend and have spent: accounts in Redis, exact under parallel fetchers.

An account is open only on the Redis server process that it was opened on: one that was restarted
may have lost its last second. A closed account means that nothing may be spent, until it is
opened again from what the store knows (`receipts`).
"""

import secrets
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from euguess.errors import EUGuessError
from euguess.messages.collection import Budget

MICROS = 1_000_000  # in a dollar; sums of money are whole numbers

# No cap is an empty string. What a caller holds is void once the epoch is another.
_RUN = "local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') "
_ACCOUNT = _RUN + (
    "local a = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'images', 'micros', "
    "'images_cap', 'micros_cap') "
    "local is_open = a[1] and a[2] == run "
)
_TAKE = _ACCOUNT + (
    "if not is_open then return {'closed'} end "
    "if a[5] ~= '' and a[3] + ARGV[1] > tonumber(a[5]) then return {'images', a[5]} end "
    "if a[6] ~= '' and a[4] + ARGV[2] > tonumber(a[6]) then return {'micros', a[6]} end "
    "redis.call('HINCRBY', KEYS[1], 'images', ARGV[1]) "
    "redis.call('HINCRBY', KEYS[1], 'micros', ARGV[2]) "
    "return {'taken', a[1], (a[5] ~= '' or a[6] ~= '') and 1 or 0}"
)
_GIVE_BACK = _ACCOUNT + (
    "if not is_open or a[1] ~= ARGV[1] then return end "
    "redis.call('HINCRBY', KEYS[1], 'images', ARGV[2]) "
    "redis.call('HINCRBY', KEYS[1], 'micros', ARGV[3])"
)
_READ = _ACCOUNT + "if is_open then return a end return false"
_CAP = (
    "if redis.call('HEXISTS', KEYS[1], 'epoch') == 1 then "
    "redis.call('HSET', KEYS[1], 'images_cap', ARGV[1], 'micros_cap', ARGV[2]) end"
)
_OPEN = _RUN + (
    "if redis.call('HGET', KEYS[1], 'preparing') ~= ARGV[1] then return 0 end "
    "redis.call('DEL', KEYS[1]) "
    "redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'run', run, 'images', ARGV[2], "
    "'micros', ARGV[3], 'images_cap', ARGV[4], 'micros_cap', ARGV[5]) return 1"
)


class BudgetSpent(EUGuessError):
    """The budget does not allow the next images."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Images with what they cost, in millionths of a dollar."""

    images: int = 0
    micros: int = 0

    @property
    def dollars(self) -> float:
        return self.micros / MICROS

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.images + other.images, self.micros + other.micros)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to buy, while the account's epoch lasts."""

    epoch: str
    is_capped: bool


class BudgetLedger:
    """The accounts of all datasets. Redis errors pass through."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    # --- fetchers ---

    async def take(self, dataset: str, wanted: Sum) -> Grant:
        """Count a purchase before it is made, all of it or nothing. Raises BudgetSpent."""
        answer = await self._run(_TAKE, dataset, wanted.images, wanted.micros)
        verdict, *rest = [_text(part) for part in answer]
        if verdict != "taken":
            raise BudgetSpent(_refusal(verdict, *rest))
        return Grant(epoch=rest[0], is_capped=rest[1] == "1")

    async def holds(self, dataset: str, grant: Grant) -> bool:
        """Whether the account has been open all the time since a grant."""
        account: Any = await self._run(_READ, dataset)
        return bool(account) and _text(account[0]) == grant.epoch

    async def give_back(self, dataset: str, grant: Grant, unused: Sum) -> None:
        """What was granted and not bought; nothing when the account was opened anew since."""
        await self._run(_GIVE_BACK, dataset, grant.epoch, -unused.images, -unused.micros)

    # --- the sampler ---

    async def spent(self, dataset: str) -> Sum | None:
        """All that was taken and not given back; None when the account is closed."""
        account: Any = await self._run(_READ, dataset)
        return Sum(int(account[2]), int(account[3])) if account else None

    async def prepare(self, dataset: str) -> str:
        """Close an account before the store is looked at; the answer opens it again."""
        epoch = secrets.token_hex(8)
        async with self._redis.pipeline() as pipeline:
            pipeline.delete(account_key(dataset))
            pipeline.hset(account_key(dataset), "preparing", epoch)
            await pipeline.execute()
        return epoch

    async def open(self, dataset: str, epoch: str, spent: Sum, budget: Budget | None) -> bool:
        """Open a prepared account; False when Redis was lost or it was prepared anew meanwhile."""
        numbers = (spent.images, spent.micros, *_caps(budget))
        return bool(await self._run(_OPEN, dataset, epoch, *numbers))

    async def cap(self, dataset: str, budget: Budget | None) -> None:
        """Change the caps of an account, if it is open."""
        await self._run(_CAP, dataset, *_caps(budget))

    async def close(self, dataset: str) -> None:
        """Forget an account, so that it has to be opened from the store."""
        await self._redis.delete(account_key(dataset))

    async def _run(self, script: str, dataset: str, *arguments: str | int) -> Any:
        return await self._redis.eval(script, 1, account_key(dataset), *arguments)


def cost(images: int, dollars_per_image: float) -> Sum:
    """That many images at that price."""
    return Sum(images, images * round(dollars_per_image * MICROS))


def shortage(budget: Budget | None, spent: Sum, wanted: Sum) -> str | None:
    """Why a budget does not allow a purchase, or None when it does."""
    after = spent + wanted
    images_cap, micros_cap = _caps(budget)
    if images_cap != "" and after.images > int(images_cap):
        return _refusal("images", str(images_cap))
    if micros_cap != "" and after.micros > int(micros_cap):
        return _refusal("micros", str(micros_cap))
    return None


def _refusal(verdict: str, cap: str = "") -> str:
    if verdict == "closed":
        return "the amount spent is being read from the store"
    amount = f"{int(cap):,} images" if verdict == "images" else f"${int(cap) / MICROS:,.2f}"
    return f"the budget of {amount} is spent"


def _caps(budget: Budget | None) -> tuple[int | str, int | str]:
    if budget is None:
        return "", ""
    dollars = budget.dollars
    return (
        "" if budget.images is None else budget.images,
        "" if dollars is None else int(dollars * MICROS + 1e-6),  # never above the cap
    )


def account_key(dataset: str) -> str:
    return f"euguess:budget:{dataset}"


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
