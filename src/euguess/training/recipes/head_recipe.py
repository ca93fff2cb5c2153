"""The recipe of a head on frozen features: backbones, options, split and seed."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from euguess.errors import InvalidRecipe
from euguess.messages.serving import BackboneSpec, ImageSpec
from euguess.training.overrides import parse_table
from euguess.training.recipes.files import read_with
from euguess.training.recipes.networks import check_network_name
from euguess.training.recipes.recipe import NO_WEIGHTS
from euguess.training.recipes.sections import Section, SplitOptions, Subset
from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from euguess.training.recipes.weights import is_weights_file

IMAGENET_IMAGE = ImageSpec(size=64)
Colour = tuple[float, float, float]  # red, green, blue, of pixels from 0 to 1


class Backbone(Section):
    """[[backbones]]: a network, its weights and its input images."""

    network: str = Field(description="As `network` of a recipe")
    weights: str = Field(default=NO_WEIGHTS, description="As `weights` of a recipe")
    image_size: int = Field(
        default=224,
        ge=32,
        le=1024,
        description="Side of its images; those of the largest backbone are reduced for the others",
    )
    mean: Colour = Field(
        default=IMAGENET_IMAGE.mean, description="Subtracted from each channel of 0..1 images"
    )
    std: Colour = Field(
        default=IMAGENET_IMAGE.std, description="Divisor of each channel after that"
    )
    layers: tuple[str, ...] = Field(
        default=(),
        description="Inner modules whose outputs, averaged over the image or its tokens, are added "
        "as features; with `:spread` after the name, their standard deviations",
    )

    @field_validator("network")
    @classmethod
    def _network_is_known(cls, network: str) -> str:
        check_network_name(network)
        return network

    def with_weights_in(self, folder: Path) -> "Backbone":
        """Return the backbone with a relative weights file resolved against a folder."""
        if not is_weights_file(self.weights):
            return self
        return self.model_copy(update={"weights": str(folder / self.weights)})

    def with_layers(self, layers: tuple[str, ...]) -> "Backbone":
        return self.model_copy(update={"layers": layers})

    @property
    def image(self) -> ImageSpec:
        return ImageSpec(size=self.image_size, mean=self.mean, std=self.std)

    @property
    def title(self) -> str:
        """A short name such as resnet50@224, or resnet50@224+layer3 with a layer."""
        return "+".join((f"{self.network}@{self.image_size}", *self.layers))


# On 980 x 1,280 features of real photos, the held-out loss is lowest between 10 and 1,000. A fit
# takes 2.3 s of CPU at 100, 1.4 s at 10,000 and 0.9 s at 100,000.
REGULARISATION = (0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0, 100_000.0)


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
    scaling: Scaling = Field(
        default=Scaling.STANDARDISE,
        description="`standardise` each feature, scale each view's to `unit-length`, or `none`",
    )
    class_weight: Literal["none", "balanced"] = Field(
        default="none",
        description="All places count equally, whatever their number of views; `balanced` makes "
        "all countries count equally",
    )
    regularisation: tuple[float, ...] = Field(
        default=REGULARISATION,
        min_length=1,
        description="Values of C to try; smaller ones regularise more (features have a mean length "
        "of 1)",
    )
    choice: Literal["cross-validation", "val"] = Field(
        default="cross-validation",
        description="Select by cross-validation over the locations of train and val, then refit on "
        "both; or select on val",
    )
    folds: int = Field(default=5, ge=2, le=20, description="Parts of the cross-validation")

    @model_validator(mode="before")
    @classmethod
    def _pooling_was_removed(cls, table: Any) -> Any:
        if isinstance(table, Mapping) and "pooling" in table:
            raise ValueError(
                "pooling was removed: a place's prediction is the mean of its views' "
                "log-probabilities, which no other pooling beat; delete the line"
            )
        return table

    @model_validator(mode="after")
    def _regularisation_is_positive(self) -> "HeadOptions":
        if min(self.regularisation) <= 0:
            raise ValueError("regularisation must be above 0")
        return self


class HeadRecipe(Section):
    """Everything that a head depends on besides the data; read from experiments/heads/*.toml."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name of the run")
    backbones: tuple[Backbone, ...] = Field(min_length=1, max_length=16)
    views: int = Field(default=8, ge=1, le=8, description="Most photos used of each location")
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Seed of the parts of the cross-validation"
    )
    subset: Subset = Subset()
    split: SplitOptions = SplitOptions()
    head: HeadOptions = HeadOptions()

    def with_weights_in(self, folder: Path) -> "HeadRecipe":
        """Return the recipe with its relative weights files resolved against a folder."""
        found = tuple(backbone.with_weights_in(folder) for backbone in self.backbones)
        return self.model_copy(update={"backbones": found})

    @property
    def network(self) -> str:
        """The names and image sizes of the backbones."""
        return " and ".join(backbone.title for backbone in self.backbones)

    @property
    def image_size(self) -> int:
        return self.image.size

    @property
    def split_spec(self) -> SplitSpec:
        return self.split.spec

    @property
    def fault_names(self) -> tuple[str, ...]:
        """Faults of the study; a head has none."""
        return ()

    def with_protocol(self, protocol: SplitProtocol) -> "HeadRecipe":
        """Return the recipe with another split protocol."""
        return self.model_copy(
            update={"split": self.split.model_copy(update={"protocol": protocol})}
        )

    def to_toml(self) -> str:
        """Format the recipe as TOML that `parse_any_recipe` reads."""
        import tomli_w  # the sampler, which only checks recipes, lacks it

        return tomli_w.dumps(self.model_dump(mode="json"))

    @property
    def described(self) -> tuple[BackboneSpec, ...]:
        """The backbones as the model card describes them."""
        has_unit_length = self.head.scaling is Scaling.UNIT_LENGTH
        return tuple(
            BackboneSpec(
                network=one.network,
                image=one.image,
                layers=one.layers,
                unit_length=has_unit_length,
            )
            for one in self.backbones
        )

    @property
    def image(self) -> ImageSpec:
        """The images that the model is given: those of the largest backbone."""
        return max(self.backbones, key=lambda backbone: backbone.image_size).image

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the name; a weights file counts by its path."""
        facts = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_head_recipe(path: Path) -> HeadRecipe:
    """Read a recipe from a TOML file. Raises InvalidRecipe."""
    return read_with(lambda text: validated_head(parse_table(text)), path)


def validated_head(table: Mapping[str, Any]) -> HeadRecipe:
    """Make a recipe of a table. Raises InvalidRecipe, which names each invalid key."""
    try:
        return HeadRecipe.model_validate(table)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InvalidRecipe("; ".join(faults) + ".") from None
