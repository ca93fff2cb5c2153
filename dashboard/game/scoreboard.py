"""Results of all games: one object each in the store, created once and never overwritten."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from dashboard.game.rules import GameResult
from dashboard.intervals import wilson
from euguess.collection.datasets import CONCURRENT_READS
from euguess.collection.layout import GAMES, game_key
from euguess.messages.records import Interval
from euguess.storage import ObjectStore

MAX_GAMES = 2000  # the newest; each is a separate object


@dataclass(frozen=True)
class Averages:
    """Accuracy of people and of the model on the same photos, with 95% intervals."""

    people: Interval
    model: Interval
    rounds: int


async def save_result(store: ObjectStore, result: GameResult) -> str:
    """Store a result under a new id that sorts by time. Returns the id."""
    game_id = f"{result.played_at:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
    await store.create(game_key(game_id), result.model_dump_json(indent=2).encode())
    return game_id


async def read_results(store: ObjectStore) -> list[GameResult]:
    """Return results, newest first; invalid objects are skipped."""
    keys = sorted([key async for key in store.list(GAMES)], reverse=True)[:MAX_GAMES]
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def read(key: str) -> GameResult | None:
        async with gate:
            data = await store.get(key)
        try:
            return GameResult.model_validate_json(data)
        except ValidationError:
            return None

    found = await asyncio.gather(*(read(key) for key in keys))
    return [result for result in found if result is not None]


def averages(results: Sequence[GameResult]) -> Averages:
    """Average over all rounds of one or more games, taken as independent."""
    rounds = sum(len(result.answers) for result in results)
    return Averages(
        people=wilson(sum(result.right for result in results), rounds),
        model=wilson(sum(result.model_right for result in results), rounds),
        rounds=rounds,
    )


def ranked(results: Sequence[GameResult]) -> list[GameResult]:
    """Sort by accuracy, then by date."""
    return sorted(results, key=lambda r: (-r.right / len(r.answers), r.played_at))
