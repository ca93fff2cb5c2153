"""The game: ten held-out places, a person's guess and the model's guess for each."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pandas as pd
from pydantic import Field

from dashboard.sources.manifests import Holdings
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
class Place:
    """A place to guess; keys are those of its photos that are shown, and given to the model."""

    location_id: str
    country_code: str
    keys: tuple[str, ...]
    attribution: str
    license: str


class Answer(Record):
    """One round, by country codes."""

    location_id: str
    truth: CountryCode
    guess: CountryCode
    model: CountryCode
    probability: float = Field(ge=0, le=1, description="Of the model's guess")

    @property
    def is_right(self) -> bool:
        return self.guess == self.truth

    @property
    def is_model_right(self) -> bool:
        return self.model == self.truth


class GameResult(Record):
    """A game that was played to its end, as the store keeps it."""

    player: str = Field(min_length=1, max_length=MAX_NAME)
    played_at: datetime
    dataset: DatasetName
    model_version: str
    is_with_all_views: bool
    answers: tuple[Answer, ...] = Field(min_length=1)
    schema_version: Literal[1] = 1

    @property
    def right(self) -> int:
        return sum(answer.is_right for answer in self.answers)

    @property
    def model_right(self) -> int:
        return sum(answer.is_model_right for answer in self.answers)


@dataclass
class Game:
    """A game under way; the round is shown until it is answered, then its truth."""

    player: str
    dataset: str
    model_version: str
    is_with_all_views: bool
    places: list[Place]
    answers: list[Answer] = field(default_factory=list)
    is_revealed: bool = False
    prediction: Prediction | None = None  # of the round whose truth is shown

    @property
    def round(self) -> int:
        """Of the present place, from 0."""
        return len(self.answers) - self.is_revealed

    @property
    def place(self) -> Place:
        return self.places[self.round]

    @property
    def is_over(self) -> bool:
        return not self.is_revealed and len(self.answers) == len(self.places)

    def answer(self, guess: str, prediction: Prediction) -> None:
        """End the round; its truth may be shown from now on."""
        place = self.place
        answer = Answer(
            location_id=place.location_id,
            truth=place.country_code,
            guess=guess,
            model=prediction.country_code,
            probability=prediction.probability,
        )
        self.answers.append(answer)
        self.is_revealed, self.prediction = True, prediction

    def proceed(self) -> None:
        """On to the next round, or to the end."""
        self.is_revealed, self.prediction = False, None

    def drop_place(self) -> None:
        """Leave out the present place, as when its photo is damaged."""
        del self.places[self.round]

    def result(self, played_at: datetime) -> GameResult:
        """What is kept of a game that is over."""
        return GameResult(
            player=self.player,
            played_at=played_at,
            dataset=self.dataset,
            model_version=self.model_version,
            is_with_all_views=self.is_with_all_views,
            answers=tuple(self.answers),
        )


def held_out(holdings: Holdings, seen: SeenViews, codes: Collection[str]) -> pd.DataFrame:
    """Rows of the views of places that the model can name and of which it has seen no photo."""
    views = holdings.views
    is_known = views["location_id"].isin(seen.location_ids) | views["sha256"].isin(seen.sha256s)
    known = views.loc[is_known, "location_id"].unique()
    return views[~views["location_id"].isin(known) & views["country_code"].isin(codes)]


def draw_places(
    views: pd.DataFrame, chance: random.Random, *, is_with_all_views: bool, count: int = ROUNDS
) -> list[Place]:
    """Different places at random, each as likely as any other; fewer when there are fewer."""
    ids = views["location_id"].unique().tolist()
    chosen = chance.sample(ids, min(count, len(ids)))
    most = MAX_VIEWS if is_with_all_views else 1
    return [_place(views[views["location_id"] == name], most) for name in chosen]


def _place(views: pd.DataFrame, most: int) -> Place:
    first = views.iloc[0]
    return Place(
        location_id=str(first["location_id"]),
        country_code=str(first["country_code"]),
        keys=tuple(views["key"].iloc[:most]),
        attribution=str(first["attribution"]),
        license=str(first["license"]),
    )
