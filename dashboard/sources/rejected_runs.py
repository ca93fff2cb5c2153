"""Trainings that the trainer gave up, with its reasons."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from dashboard.sources.collections import read_dead_letters
from euguess.clients import SamplerClient
from euguess.errors import InvalidRecipe
from euguess.messages.collection import DeadLetter
from euguess.messages.training import TrainRun
from euguess.training.overrides import parse_table

TRAINER = "trainer"  # the source of its dead letters


@dataclass(frozen=True)
class RejectedRun:
    """What was wanted, as far as it can be read, and why it was not done."""

    at: datetime
    wanted: str
    reason: str


def rejected_runs(sampler: SamplerClient) -> list[RejectedRun]:
    """The newest first. Raises ServiceUnavailable."""
    letters = read_dead_letters(sampler)
    return [
        RejectedRun(letter.at, _wanted(letter), letter.reason)
        for letter in letters
        if letter.source == TRAINER
    ]


def _wanted(letter: DeadLetter) -> str:
    try:
        order = TrainRun.model_validate_json(str(letter.payload))
        name = parse_table(order.recipe).get("name", "a recipe without a name")
    except (ValidationError, InvalidRecipe):
        return "an order that cannot be read"
    return f"{name} on {order.dataset}"
