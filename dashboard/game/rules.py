"""The game: ten held-out locations, with the player's and the model's guess for each."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pandas as pd
from pydantic import Field

from dashboard.sources.manifests import DatasetContents
from euguess.messages.records import (
    MAX_VIEWS,
    CountryCode,
    DatasetName,
    Record,
)
from euguess.messages.serving import Prediction
from euguess.messages.training import SeenViews

ROUNDS = 10
MAX_NAME = 30


@dataclass(frozen=True)
class HeldOutLocation:
    """A location to guess; keys are those of the photos that player and model see."""

    location_id: str
    country_code: str
    keys: tuple[str, ...]
    attribution: str
    license: str


class RoundResult(Record):
    """The outcome of one round, as country codes."""

    location_id: str
    truth: CountryCode
    guess: CountryCode
    model: CountryCode
    probability: float = Field(ge=0, le=1, description="Probability of the model's guess")

    @property
    def is_right(self) -> bool:
        return self.guess == self.truth

    @property
    def is_model_right(self) -> bool:
        return self.model == self.truth


class GameResult(Record):
    """A finished game, as stored."""

    player: str = Field(min_length=1, max_length=MAX_NAME)
    played_at: datetime
    dataset: DatasetName
    model_version: str
    is_with_all_views: bool
    answers: tuple[RoundResult, ...] = Field(min_length=1)
    schema_version: Literal[1] = 1

    @property
    def right(self) -> int:
        return sum(answer.is_right for answer in self.answers)

    @property
    def model_right(self) -> int:
        return sum(answer.is_model_right for answer in self.answers)


@dataclass
class Game:
    """A game in progress: guess a location, see the truth, proceed to the next one."""

    player: str
    dataset: str
    model_version: str
    is_with_all_views: bool
    locations: list[HeldOutLocation]
    answers: list[RoundResult] = field(default_factory=list)
    is_revealed: bool = False
    prediction: Prediction | None = None  # of the revealed round

    @property
    def round(self) -> int:
        """Index of the current round, from 0."""
        return len(self.answers) - self.is_revealed

    @property
    def location(self) -> HeldOutLocation:
        return self.locations[self.round]

    @property
    def is_over(self) -> bool:
        return not self.is_revealed and len(self.answers) == len(self.locations)

    def answer(self, guess: str, prediction: Prediction) -> None:
        """Record both guesses and reveal the truth."""
        location = self.location
        answer = RoundResult(
            location_id=location.location_id,
            truth=location.country_code,
            guess=guess,
            model=prediction.country_code,
            probability=prediction.probability,
        )
        self.answers.append(answer)
        self.is_revealed, self.prediction = True, prediction

    def proceed(self) -> None:
        """Go to the next round, or end the game after the last one."""
        self.is_revealed, self.prediction = False, None

    def drop_location(self) -> None:
        """Remove the current location, for example because its photo is damaged."""
        del self.locations[self.round]

    def result(self, played_at: datetime) -> GameResult:
        """Return the result to store."""
        return GameResult(
            player=self.player,
            played_at=played_at,
            dataset=self.dataset,
            model_version=self.model_version,
            is_with_all_views=self.is_with_all_views,
            answers=tuple(self.answers),
        )


def held_out(contents: DatasetContents, seen: SeenViews, codes: Collection[str]) -> pd.DataFrame:
    """Return the views of locations in known countries of which the model has seen no photo.

    Nor has it seen another photo of their panoramas.
    """
    views = contents.views
    is_seen = (
        views["location_id"].isin(seen.location_ids)
        | views["sha256"].isin(seen.sha256s)
        | views["panorama_id"].isin(seen.panorama_ids)
    )
    seen_ids = views.loc[is_seen, "location_id"].unique()
    return views[~views["location_id"].isin(seen_ids) & views["country_code"].isin(codes)]


def draw_locations(
    views: pd.DataFrame, rng: random.Random, *, is_with_all_views: bool, count: int = ROUNDS
) -> list[HeldOutLocation]:
    """Draw distinct locations uniformly at random; fewer than count if there are fewer."""
    ids = views["location_id"].unique().tolist()
    drawn = rng.sample(ids, min(count, len(ids)))
    max_views = MAX_VIEWS if is_with_all_views else 1
    return [_location(views[views["location_id"] == name], max_views) for name in drawn]


def _location(views: pd.DataFrame, max_views: int) -> HeldOutLocation:
    first = views.iloc[0]
    return HeldOutLocation(
        location_id=str(first["location_id"]),
        country_code=str(first["country_code"]),
        keys=tuple(views["key"].iloc[:max_views]),
        attribution=str(first["attribution"]),
        license=str(first["license"]),
    )
