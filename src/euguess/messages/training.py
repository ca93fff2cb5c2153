"""Messages and records of training runs."""

from typing import Literal

from pydantic import Field

from euguess.messages.records import SCHEMA_VERSION, DatasetName, Record

MAX_RECIPE_CHARACTERS = 20_000  # the longest recipe of the experiments has 1,000


class TrainRun(Record):
    """Command to a trainer: run one recipe (its TOML text) on one dataset."""

    dataset: DatasetName
    recipe: str = Field(
        min_length=1, max_length=MAX_RECIPE_CHARACTERS, description="TOML text of the recipe"
    )
    promote: bool = False
    resumes: str | None = Field(
        default=None,
        max_length=64,
        description="Id of a run to resume, unless it has finished",
    )
    schema_version: Literal[1] = SCHEMA_VERSION


class SeenViews(Record):
    """seen.json of a run: the data that its model was trained on or selected by.

    Every test of the model leaves these out, on the same dataset and on any other.
    """

    location_ids: tuple[str, ...]
    panorama_ids: tuple[str, ...] = Field(default=(), description="Missing in older runs")
    sha256s: tuple[str, ...]
    positions: tuple[tuple[float, float], ...] = ()  # (lat, lon) in degrees, where known
    hashes: tuple[int, ...] = ()  # perceptual
