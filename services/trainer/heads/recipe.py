"""The recipe of a head on frozen features: backbones, options, split and seed."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from euguess.errors import InvalidRecipe
from services.trainer.heads.backbones import Backbone
from services.trainer.recipes.sections import Section, SplitOptions


class Pooling(StrEnum):
    """Method that combines the views of a location."""

    LOG_PROBABILITIES = "log-probabilities"  # trains on single views, averages their predictions
    MEAN_EMBEDDING = "mean-embedding"  # averages features, classifies the mean
    ATTENTION = "attention"  # learns to weight the views


class Scaling(StrEnum):
    """Scaling of each layer's features before they are concatenated."""

    STANDARDISE = "standardise"  # each feature to mean 0 and variance 1 over the training views
    UNIT_LENGTH = "unit-length"  # each view to length 1
    NONE = "none"


class HeadOptions(Section):
    """[head]: the classifier; `choice` selects the best of several regularisation values."""

    model: Literal["logistic", "least-squares"] = Field(
        default="logistic", description="least-squares regresses one-hot countries and fits fastest"
    )
    pooling: Pooling = Pooling.LOG_PROBABILITIES
    scaling: Scaling = Scaling.STANDARDISE
    class_weight: Literal["none", "balanced"] = "none"
    regularisation: tuple[float, ...] = Field(
        default=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        min_length=1,
        description="Values of C to try; smaller ones regularise more (features have a mean length "
        "of 1)",
    )
    choice: Literal["cross-validation", "val"] = Field(
        default="cross-validation",
        description="Select by cross-validation over the locations of train and val, then refit on "
        "both; or select on val",
    )
    folds: int = Field(default=5, ge=2, le=20)

    @model_validator(mode="after")
    def _attention_is_logistic(self) -> "HeadOptions":
        if self.pooling is Pooling.ATTENTION and self.model != "logistic":
            raise ValueError("pooling attention needs model logistic")
        return self

    @model_validator(mode="after")
    def _regularisation_is_positive(self) -> "HeadOptions":
        if min(self.regularisation) <= 0:
            raise ValueError("regularisation must be above 0")
        return self


class HeadRecipe(Section):
    """Everything that a head depends on besides the data; read from experiments/heads/*.toml."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    backbones: tuple[Backbone, ...] = Field(min_length=1, max_length=16)
    views: int = Field(default=8, ge=1, le=8, description="Most photos used of each location")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    split: SplitOptions = SplitOptions()
    head: HeadOptions = HeadOptions()

    def with_weights_in(self, folder: Path) -> "HeadRecipe":
        """Return the recipe with its relative weights files resolved against a folder."""
        found = tuple(backbone.with_weights_in(folder) for backbone in self.backbones)
        return self.model_copy(update={"backbones": found})

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the name; a weights file counts by its path."""
        facts = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_head_recipe(path: Path) -> HeadRecipe:
    """Read a recipe from a TOML file. Raises InvalidRecipe."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise InvalidRecipe(f"Could not read the recipe {path}: {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidRecipe(f"{path} is not TOML: {error}.") from None
    try:
        return parse_head_recipe(table)
    except InvalidRecipe as error:
        raise InvalidRecipe(f"{path}: {error}") from None


def parse_head_recipe(table: Mapping[str, Any]) -> HeadRecipe:
    """Validate a recipe. Raises InvalidRecipe, which names each invalid key."""
    try:
        return HeadRecipe.model_validate(table)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InvalidRecipe("; ".join(faults) + ".") from None
