"""Stored predictions of each recipe for each test place, so that recipes can be paired."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from euguess.messages.records import MAX_VIEWS, Record
from euguess.process.files import write_atomically
from services.trainer.evaluation.evaluation import Predictions
from services.trainer.evaluation.metrics import is_top
from services.trainer.loading.split_data import LabelledSplit


class HeldOut(Record):
    """Cross-validation scores, over held-out places, by which a recipe was chosen."""

    nll: float
    accuracy: float


class LocationPrediction(Record):
    """Predictions for one place of the test set."""

    location_id: str
    label: int = Field(ge=0)
    single: float = Field(ge=0, le=1, description="Share of its views that are correct alone")
    fused: tuple[bool, ...] = Field(
        description="True where its first 1, 2, ... views fused are correct"
    )

    def hit(self, views: int) -> bool:
        """Return whether the place is correct with up to `views` views fused."""
        return self.fused[min(views, len(self.fused)) - 1]


class Measurement(Record):
    """One recipe with one seed."""

    recipe: str
    seed: int
    places: tuple[LocationPrediction, ...] = Field(description="Sorted by location")
    seconds: float = Field(description="Training time, without computing features")
    chance: float
    majority: float
    held_out: HeldOut | None = None
    choice: str = Field(default="", description="Settings chosen without the test set")
    schema_version: Literal[1] = 1


def places_of_test(views: LabelledSplit, answers: Predictions) -> tuple[LocationPrediction, ...]:
    """Return the predictions for each test place, by number of views."""
    rows = views.split.test
    labels, ids = views.labels[rows], views.index.location_ids[rows]
    names, location, counts = np.unique(ids, return_inverse=True, return_counts=True)
    single = np.bincount(location, is_top(answers.single, labels, 1)) / counts
    columns = []
    for number in range(1, min(MAX_VIEWS, int(counts.max())) + 1):
        fused = answers.fused(number)
        columns.append(is_top(fused.log_probabilities, labels[fused.first_rows], 1))
    hits = np.stack(columns, axis=1)
    _, first = np.unique(ids, return_index=True)
    return tuple(
        LocationPrediction(
            location_id=str(name),
            label=int(labels[first[place]]),
            single=float(single[place]),
            fused=tuple(bool(hit) for hit in hits[place, : counts[place]]),
        )
        for place, name in enumerate(names)
    )


def keep(folder: Path, fingerprint: str, measured: Measurement) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{fingerprint}.json", measured.model_dump_json(), durable=True)


def kept(folder: Path, fingerprint: str) -> Measurement | None:
    """Return a stored measurement; None if it is missing or unreadable."""
    try:
        return Measurement.model_validate_json((folder / f"{fingerprint}.json").read_text())
    except (OSError, ValidationError):
        return None
