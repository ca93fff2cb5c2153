"""What crosses a process boundary around a training run: the command and the record of its data."""

from typing import Literal

from pydantic import Field

from euguess.messages.records import SCHEMA_VERSION, DatasetName, Record


class TrainRun(Record):
    """Command to a trainer: run one recipe (its TOML text) on one dataset."""

    dataset: DatasetName
    recipe: str = Field(min_length=1, max_length=100_000, description="TOML text of the recipe")
    promote: bool = False
    resumes: str | None = Field(
        default=None, max_length=64, description="Run to go on with; refused once it has finished"
    )
    schema_version: Literal[1] = SCHEMA_VERSION


class SeenViews(Record):
    """seen.json of a run: what its model was trained on or chosen by."""

    location_ids: tuple[str, ...]
    sha256s: tuple[str, ...]
    positions: tuple[tuple[float, float], ...] = ()  # (lat, lon) in degrees, where known
    hashes: tuple[int, ...] = ()  # perceptual
