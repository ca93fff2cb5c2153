"""Training requests that the trainer rejected, with the reasons."""

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
    """A rejected training request: what was requested and why it was rejected."""

    at: datetime
    requested: str
    reason: str


def read_rejected_runs(sampler: SamplerClient) -> list[RejectedRun]:
    """Return rejected requests, newest first. Raises ServiceUnavailable."""
    letters = read_dead_letters(sampler)
    return [
        RejectedRun(letter.at, _requested(letter), letter.reason)
        for letter in letters
        if letter.source == TRAINER
    ]


def _requested(letter: DeadLetter) -> str:
    try:
        request = TrainRun.model_validate_json(str(letter.payload))
        name = parse_table(request.recipe).get("name", "unnamed recipe")
    except (ValidationError, InvalidRecipe):
        return "unreadable request"
    return f"{name} on {request.dataset}"
