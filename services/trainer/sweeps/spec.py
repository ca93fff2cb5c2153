"""The description of a sweep: a base recipe and the keys to search."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from euguess.errors import InvalidRecipe
from euguess.training.recipes.recipe import Recipe, parse_recipe, read_recipe
from euguess.training.recipes.sections import Section
from services.trainer.evaluation.version import FIGURES_VERSION

Value = bool | int | float | str
Values = Mapping[str, Value]  # by dotted keys of a recipe


class Parameter(Section):
    """[space."optimizer.learning_rate"]: either a range, low to high, or choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="Draw uniformly on a log scale")
    choices: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> "Parameter":
        if self.choices:
            _require(self.low is self.high is None and not self.log, "choices need no low and high")
            _require(len(set(map(repr, self.choices))) > 1, "give at least 2 different choices")
            return self
        _require(self.low is not None and self.high is not None, "give low and high, or choices")
        low, high = self.bounds
        _require(low < high, f"low ({low}) must be below high ({high})")
        _require(low > 0 or not self.log, "a log range must start above 0")
        return self

    @property
    def bounds(self) -> tuple[int | float, int | float]:
        """Return the bounds of a range."""
        return self.low or 0, self.high or 0

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Return the values to check: if these are valid, all values are."""
        return self.choices or self.bounds


class SweepSpec(Section):
    """The TOML file of a sweep."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")
    recipe: str = Field(description="Path of the base recipe, relative to the folder of this file")
    trials: int = Field(ge=1, le=100_000)
    epochs: int | None = Field(
        default=None, ge=1, le=10_000, description="Epochs per trial; by default the recipe's"
    )
    objective: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    pruner: Literal["median", "hyperband", "none"] = "median"
    startup_trials: int = Field(
        default=5, ge=1, description="Random trials before the search starts to learn and prune"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    space: dict[str, Parameter] = Field(min_length=1)

    @field_validator("space", mode="before")
    @classmethod
    def _with_dotted_keys(cls, space: object) -> object:
        return _dotted(space) if isinstance(space, Mapping) else space


@dataclass(frozen=True)
class Sweep:
    """A spec with its base recipe."""

    spec: SweepSpec
    base: Recipe

    def recipe_of(self, values: Values) -> Recipe:
        """Return the recipe of a trial. Raises InvalidRecipe."""
        epochs = {} if self.spec.epochs is None else {"epochs": self.spec.epochs}
        return changed(self.base, {**epochs, **values})

    def best_recipe(self, values: Values) -> Recipe:
        """Return the recipe for `euguess train`: the base recipe's epochs unless searched."""
        return changed(self.base, {"name": f"{self.spec.name}-best", **values})

    def digest(self, manifest_digest: str) -> str:
        """Return the SHA-256 of everything that trials depend on, which excludes their number."""
        spec = self.spec.model_dump(mode="json", exclude={"trials", "recipe"})
        facts = [FIGURES_VERSION, spec, self.base.digest, manifest_digest]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_sweep(path: Path) -> Sweep:
    """Read a sweep's TOML file and its base recipe; the space is not checked yet.

    Raises InvalidRecipe.
    """
    try:
        spec = SweepSpec.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise InvalidRecipe(f"Cannot read the sweep {path}: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidRecipe(f"{path} is not TOML: {error}.") from None
    except ValidationError as error:
        reasons = "; ".join(_explain(each) for each in error.errors())
        raise InvalidRecipe(f"{path}: {reasons}.") from None
    return Sweep(spec, read_recipe(path.parent / spec.recipe))


def changed(recipe: Recipe, values: Values) -> Recipe:
    """Return the recipe with values replaced, validated. Raises InvalidRecipe."""
    overrides = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    return parse_recipe(recipe.to_toml(), overrides)


def _dotted(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return parameters by dotted keys, so that [space.optimizer.learning_rate] needs no quotes."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        is_section = isinstance(value, Mapping) and any(
            isinstance(part, Mapping) for part in value.values()
        )
        found |= _dotted(value, f"{prefix}{key}.") if is_section else {prefix + key: value}
    return found


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _explain(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg'].removeprefix('Value error, ')}"
    section: type[BaseModel] = SweepSpec if len(error["loc"]) == 1 else Parameter
    return f"unknown key {key}; the keys here are {', '.join(sorted(section.model_fields))}"
