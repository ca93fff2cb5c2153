"""A training run described in full: read from TOML, checked, and stored with what it trained."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from euguess.errors import InvalidRecipe
from euguess.messages.serving import ImageSpec
from euguess.training.overrides import override, parse_table
from services.trainer.networks import check_network_name
from services.trainer.splits.splits import SplitProtocol, SplitSpec

NO_WEIGHTS = "none"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Channels = tuple[float, float, float]
Deviation = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A frozen table of a recipe that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Splitting(Section):
    """[split]: which views are trained on and which tested; see services.trainer.splits.splits."""

    protocol: SplitProtocol = SplitProtocol.LOCATION
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    buffer_km: float = Field(default=5.0, gt=0, le=1000)
    block_km: float = Field(default=100.0, gt=0, le=1000)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> "Splitting":
        if self.test_fraction + self.val_fraction >= 1:
            raise ValueError("test_fraction and val_fraction must add up to less than 1")
        return self

    @property
    def spec(self) -> SplitSpec:
        return SplitSpec(**self.model_dump())


class Optimisation(Section):
    """[optimizer]. momentum is used by sgd alone."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    weight_decay: float = Field(default=1e-4, ge=0, le=10)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    decayed: Literal["all", "matrices"] = Field(
        default="all", description="What weight_decay pulls on; matrices spares norms and biases"
    )
    accumulation: int = Field(
        default=1, ge=1, le=1000, description="Parts in which a batch goes through the network"
    )
    clip_norm: float = Field(default=0.0, ge=0, description="Longest gradient; 0 is no limit")


class Schedule(Section):
    """[schedule]: the learning rate over epochs (Loshchilov and Hutter, SGDR, 2017)."""

    name: Literal["cosine", "cosine-warm-restarts", "none"] = "none"
    warmup_epochs: float = Field(
        default=0.0, ge=0, description="Epochs of linear rise before a cosine"
    )
    t_0: int = Field(default=10, ge=1, description="Epochs until the first restart")
    t_mult: int = Field(default=1, ge=1, description="Factor by which each further period grows")
    eta_min: float = Field(default=0.0, ge=0, description="Lowest learning rate")


class Augmentation(Section):
    """[augmentation], on the device. There is no flip: it would hide the driving side."""

    shift: float = Field(
        default=0.0, ge=0, le=0.5, description="Largest random shift, as a share of the side"
    )
    zoom: float = Field(
        default=0.0, ge=0, lt=1, description="Largest part of the side cropped away"
    )
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    saturation: float = Field(default=0.0, ge=0, lt=1)
    randaugment: int = Field(
        default=0, ge=0, le=10, description="Random operations on each image (RandAugment)"
    )
    magnitude: int = Field(default=9, ge=0, le=30, description="Strength of these operations")
    mixup: float = Field(default=0.0, ge=0, le=10, description="Both parameters of its Beta")
    cutmix: float = Field(default=0.0, ge=0, le=10, description="Both parameters of its Beta")


class FineTuning(Section):
    """[fine_tuning]: what of a pretrained network is trained; the rest stays as it is."""

    trained: Literal["head", "last-block", "all"] = "all"
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Learning rate of a depth, relative to the next one"
    )


class Smoothing(Section):
    """[smoothing]: which other countries get the label_smoothing."""

    by: Literal["uniform", "distance"] = "uniform"
    scale_km: float = Field(
        default=500.0, ge=1, le=20_000, description="Distance over which a share falls by e"
    )


class Balance(Section):
    """[balance]: for countries with few photos."""

    logit_adjustment: float = Field(
        default=0.0, ge=0, le=5, description="tau of Menon et al. 2021; 1 aims at macro recall"
    )
    sampling: float = Field(
        default=0.0, ge=0, le=1, description="0 draws photos as they are, 1 countries equally"
    )


class Subset(Section):
    """[subset]: train and test on a part of the places, drawn by a hash of their ids."""

    share: float = Field(default=1.0, gt=0, le=1, description="Of the places of each country")
    seed: int = Field(default=0, ge=0)


class Faults(Section):
    """[faults] of the original study, each as a switch; the image split is split.protocol.

    A run with any of them is never called honest and never promoted.
    """

    eval_mode_while_training: bool = Field(
        default=False, description="Batch normalisation and dropout frozen in training too"
    )
    keeps_imagenet_head: bool = Field(
        default=False,
        description="1000 outputs, the first of them the countries; the others take part in the "
        "softmax of the loss, and are cut off before the network is tested",
    )
    no_shuffling: bool = Field(default=False, description="One random order for all epochs")
    no_validation: bool = Field(
        default=False, description="The val part is trained on too; the last epoch is kept"
    )
    mean_of_batches: bool = Field(
        default=False, description="Report the study's mis-averaged accuracy beside the right one"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are on."""
        return tuple(name for name, is_on in self if is_on)


class Recipe(Section):
    """All that a training run depends on besides the data."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    network: str
    weights: str = Field(
        default=NO_WEIGHTS,
        description="none, imagenet (downloaded), a name of torchvision's such as IMAGENET1K_V1, "
        "or the path of a .safetensors file",
    )
    image_size: int = Field(default=64, ge=32, le=1024)
    mean: Channels = IMAGENET_MEAN
    std: tuple[Deviation, Deviation, Deviation] = IMAGENET_STD
    views: int = Field(default=8, ge=1, le=8, description="Use at most so many views of a place")
    batch_size: int = Field(default=64, ge=2, le=100_000)
    epochs: int = Field(ge=1, le=10_000)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="Of the average of weights that is kept; 0 is none"
    )
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    subset: Subset = Subset()
    split: Splitting = Splitting()
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
                "faults.keeps_imagenet_head has outputs that are no countries; logit adjustment "
                "and smoothing by distance need a head of countries alone"
            )
        return self

    @model_validator(mode="after")
    def _what_is_not_trained_was_trained_before(self) -> "Recipe":
        if self.fine_tuning.trained != "all" and self.weights == NO_WEIGHTS:
            raise ValueError(
                f"fine_tuning.trained = {self.fine_tuning.trained!r} would leave random weights "
                "untrained; name pretrained weights, or train 'all'"
            )
        return self

    @property
    def image(self) -> ImageSpec:
        return ImageSpec(size=self.image_size, mean=self.mean, std=self.std)

    @property
    def split_spec(self) -> SplitSpec:
        """How views are divided; without validation, what would be val is trained on."""
        spec = self.split.spec
        return replace(spec, val_fraction=0.0) if self.faults.no_validation else spec

    @property
    def digest(self) -> str:
        """SHA-256 of all but the name. A weights file counts by its path."""
        facts = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def with_protocol(self, protocol: SplitProtocol) -> "Recipe":
        """The same recipe under another split."""
        return self.model_copy(
            update={"split": self.split.model_copy(update={"protocol": protocol})}
        )

    def to_toml(self) -> str:
        """Text that `parse_recipe` reads as this recipe."""
        return tomli_w.dumps(self.model_dump(mode="json"))


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Recipe of a TOML file; overrides are texts like "epochs=3" or "optimizer.name=sgd".

    Raises InvalidRecipe.
    """
    try:
        return parse_recipe(path.read_text(), overrides)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise InvalidRecipe(f"The recipe {path} cannot be read: {reason}.") from None
    except InvalidRecipe as error:
        raise InvalidRecipe(f"{path}: {error}") from None


def parse_recipe(text: str, overrides: Sequence[str] = ()) -> Recipe:
    """Recipe of a TOML text. Raises InvalidRecipe naming each key that is wrong."""
    table = parse_table(text)
    override(table, overrides)
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
