"""The recipe of a training run: read from TOML, validated, and stored with the run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from euguess.errors import InvalidRecipe
from euguess.messages.serving import ImageSpec
from euguess.training.overrides import override, parse_table
from euguess.training.recipes.files import read_with
from euguess.training.recipes.networks import check_network_name
from euguess.training.recipes.sections import (
    Augmentation,
    Balance,
    Faults,
    FineTuning,
    Optimisation,
    Schedule,
    Section,
    Smoothing,
    SplitOptions,
    Subset,
)
from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from euguess.training.recipes.weights import is_weights_file

NO_WEIGHTS = "none"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Channels = tuple[float, float, float]
Deviation = Annotated[float, Field(gt=0)]


class Recipe(Section):
    """Everything that a training run depends on besides the data."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name of the run")
    network: str = Field(
        description="A classifier of torchvision, `timm/NAME`, or one of ours: `customnet`, "
        "`smallnet`, `resnet50_v1`"
    )
    weights: str = Field(
        default=NO_WEIGHTS,
        description="`none`, `imagenet` (downloaded on first use), a name of torchvision's such as "
        "`IMAGENET1K_V1` or timm's (`timm/NAME.TAG`), an installed package, or the path of a "
        "`.safetensors`, `.pth` or `.pt` file",
    )
    image_size: int = Field(default=64, ge=32, le=1024, description="Side of the images in pixels")
    mean: Channels = Field(
        default=IMAGENET_MEAN,
        description="Subtracted from each channel of 0..1 images. Default: torchvision's ImageNet "
        "statistics",
    )
    std: tuple[Deviation, Deviation, Deviation] = Field(
        default=IMAGENET_STD, description="Divisor of each channel after that"
    )
    views: int = Field(default=8, ge=1, le=8, description="Most photos used of each location")
    batch_size: int = Field(default=64, ge=2, le=100_000, description="Images per step")
    epochs: int = Field(
        ge=1,
        le=10_000,
        description="Passes over the training set; the epoch that is best on val is kept",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Probability that the other countries share; see `smoothing.by` (Szegedy et "
        "al. 2016)",
    )
    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the weights' moving average that a step keeps; above 0 the average "
        "is validated and stored. Lower in the first steps: (t + 1) / (t + 10) (Polyak "
        "and Juditsky 1992; Tarvainen and Valpola 2017)",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32",
        description="`bf16` and `fp16` calculate in half precision where it is safe (Micikevicius "
        "et al. 2018)",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of weights, order and augmentation; on a CPU the same seed gives the "
        "same bits",
    )
    subset: Subset = Subset()
    split: SplitOptions = SplitOptions()
    optimizer: Optimisation = Optimisation()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    fine_tuning: FineTuning = FineTuning()
    smoothing: Smoothing = Smoothing()
    balance: Balance = Balance()
    faults: Faults = Faults()

    @field_validator("network")
    @classmethod
    def _network_is_known(cls, network: str) -> str:
        check_network_name(network)
        return network

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> "Recipe":
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs ({self.schedule.warmup_epochs:g}) must be less than "
                f"epochs ({self.epochs})"
            )
        return self

    @model_validator(mode="after")
    def _the_loss_is_over_the_outputs(self) -> "Recipe":
        is_over_countries = self.balance.logit_adjustment or self.smoothing.by == "distance"
        if self.faults.keeps_imagenet_head and is_over_countries:
            raise ValueError(
                "faults.keeps_imagenet_head has outputs that are not countries; logit adjustment "
                "and smoothing by distance need a head with countries only"
            )
        return self

    @model_validator(mode="after")
    def _what_is_not_trained_was_trained_before(self) -> "Recipe":
        if self.fine_tuning.trained != "all" and self.weights == NO_WEIGHTS:
            raise ValueError(
                f"fine_tuning.trained = {self.fine_tuning.trained!r} would leave random weights "
                "untrained; use pretrained weights, or train 'all'"
            )
        return self

    @property
    def image(self) -> ImageSpec:
        return ImageSpec(size=self.image_size, mean=self.mean, std=self.std)

    @property
    def split_spec(self) -> SplitSpec:
        """The split settings; with faults.no_validation, val is added to train."""
        spec = self.split.spec
        return replace(spec, val_fraction=0.0) if self.faults.no_validation else spec

    @property
    def fault_names(self) -> tuple[str, ...]:
        return self.faults.names

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the name; a weights file counts by its path."""
        facts = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def with_protocol(self, protocol: SplitProtocol) -> "Recipe":
        """Return the recipe with another split protocol."""
        return self.model_copy(
            update={"split": self.split.model_copy(update={"protocol": protocol})}
        )

    def with_weights_in(self, folder: Path) -> "Recipe":
        """Return the recipe with a relative weights file resolved against a folder."""
        if not is_weights_file(self.weights):
            return self
        return self.model_copy(update={"weights": str(folder / self.weights)})

    def to_toml(self) -> str:
        """Format the recipe as TOML that `parse_recipe` reads."""
        import tomli_w  # the sampler, which only checks recipes, lacks it

        return tomli_w.dumps(self.model_dump(mode="json"))


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file; overrides are like "epochs=3" or "optimizer.name=sgd".

    Raises InvalidRecipe.
    """
    return read_with(partial(parse_recipe, overrides=overrides), path)


def parse_recipe(text: str, overrides: Sequence[str] = ()) -> Recipe:
    """Parse a recipe from TOML. Raises InvalidRecipe that names each wrong key."""
    table = parse_table(text)
    override(table, overrides)
    return validated(table)


def validated(table: Mapping[str, Any]) -> Recipe:
    """Make a recipe of a table. Raises InvalidRecipe that names each wrong key."""
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise InvalidRecipe("; ".join(_explain(e) for e in error.errors()) + ".") from None


def _explain(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key or 'recipe'}: {error['msg'].removeprefix('Value error, ')}"
    section: type[BaseModel] = Recipe
    for part in error["loc"][:-1]:
        annotation = section.model_fields[str(part)].annotation
        section = annotation if isinstance(annotation, type) else Recipe
    return f"unknown key {key}; the keys here are {', '.join(sorted(section.model_fields))}"
