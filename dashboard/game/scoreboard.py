"""Results of all games: objects of the store, each created once, so that none replaces another."""

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

MOST_GAMES = 2000  # the newest; each is an object of its own


@dataclass(frozen=True)
class Averages:
    """Share of rounds won by people and by the model on the same photos, with 95 % intervals."""

    people: Interval
    model: Interval
    rounds: int


async def save_result(store: ObjectStore, result: GameResult) -> str:
    """Keep a result under a new id, which sorts by time; returns the id."""
    game_id = f"{result.played_at:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
    await store.create(game_key(game_id), result.model_dump_json(indent=2).encode())
    return game_id


async def read_results(store: ObjectStore) -> list[GameResult]:
    """The newest results first; what is no result is left out."""
    keys = sorted([key async for key in store.list(GAMES)], reverse=True)[:MOST_GAMES]
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
    """Over all rounds of all games, of which there must be one; rounds count as independent."""
    rounds = sum(len(result.answers) for result in results)
    return Averages(
        people=wilson(sum(result.right for result in results), rounds),
        model=wilson(sum(result.model_right for result in results), rounds),
        rounds=rounds,
    )


def ranked(results: Sequence[GameResult]) -> list[GameResult]:
    """By the share of rounds won, then whoever had it first."""
    return sorted(results, key=lambda r: (-r.right / len(r.answers), r.played_at))
