"""Spending accounts of collections in Redis, exact under parallel fetchers.

An account is open only on the Redis server process that it was opened on: a restarted one may
have lost its last second. Nothing may be spent from a closed account until it is opened again
from the receipts in the store (`receipts`).
"""

import secrets
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from euguess.collection.redis_connection import load_script
from euguess.errors import EUGuessError
from euguess.messages.collection import Budget

MICROS = 1_000_000  # per dollar; amounts of money are whole numbers

LUA = "euguess.collection"


class BudgetSpent(EUGuessError):
    """The budget does not allow the next images."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A number of images and their cost in millionths of a dollar."""

    images: int = 0
    micros: int = 0

    @property
    def dollars(self) -> float:
        return self.micros / MICROS

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.images + other.images, self.micros + other.micros)


@dataclass(frozen=True, slots=True)
class Grant:
    """A reservation in an account, valid while the account's epoch lasts."""

    epoch: str


class BudgetLedger:
    """The accounts of all datasets. Redis errors pass through."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reserve = load_script(redis, LUA, "account", "account_reserve")
        self._release = load_script(redis, LUA, "account", "account_release")
        self._read = load_script(redis, LUA, "account", "account_read")
        self._open = load_script(redis, LUA, "account", "account_open")
        self._cap = load_script(redis, LUA, "account", "account_cap")

    # --- fetchers ---

    async def reserve(self, dataset: str, amount: Sum) -> Grant:
        """Reserve a purchase before it is made, all of it or nothing. Raises BudgetSpent."""
        keys, arguments = [account_key(dataset)], [amount.images, amount.micros]
        result, *rest = [_text(part) for part in await self._reserve(keys=keys, args=arguments)]
        if result != "reserved":
            raise BudgetSpent(_refusal(result, *rest))
        return Grant(epoch=rest[0])

    async def holds(self, dataset: str, grant: Grant) -> bool:
        """Check that the account has been open ever since a grant."""
        account: Any = await self._read(keys=[account_key(dataset)])
        return bool(account) and _text(account[0]) == grant.epoch

    async def release(self, dataset: str, grant: Grant, unused: Sum) -> None:
        """Release the unused part of a reservation, unless the account was reopened since."""
        arguments: list[str | int] = [grant.epoch, -unused.images, -unused.micros]
        await self._release(keys=[account_key(dataset)], args=arguments)

    # --- the sampler ---

    async def spent(self, dataset: str) -> Sum | None:
        """Return all that was reserved and not released; None if the account is closed."""
        account: Any = await self._read(keys=[account_key(dataset)])
        return Sum(int(account[1]), int(account[2])) if account else None

    async def prepare(self, dataset: str) -> str:
        """Close an account before reading the store; return the epoch to open it again with."""
        epoch = secrets.token_hex(8)
        async with self._redis.pipeline() as pipeline:
            pipeline.delete(account_key(dataset))
            pipeline.hset(account_key(dataset), "preparing", epoch)
            await pipeline.execute()
        return epoch

    async def open(self, dataset: str, epoch: str, spent: Sum, budget: Budget | None) -> bool:
        """Open a prepared account; False if it was lost or prepared again in the meantime."""
        arguments = [epoch, spent.images, spent.micros, *_caps(budget)]
        return bool(await self._open(keys=[account_key(dataset)], args=arguments))

    async def cap(self, dataset: str, budget: Budget | None) -> None:
        """Change the caps of an account, if it is open."""
        await self._cap(keys=[account_key(dataset)], args=list(_caps(budget)))

    async def close(self, dataset: str) -> None:
        """Delete an account, so that it must be opened from the store."""
        await self._redis.delete(account_key(dataset))


def cost(images: int, dollars_per_image: float) -> Sum:
    """Return the cost of that many images at that price."""
    return Sum(images, images * round(dollars_per_image * MICROS))


def shortage(budget: Budget | None, spent: Sum, amount: Sum) -> str | None:
    """Return why a budget does not allow a purchase, or None if it does."""
    after = spent + amount
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
