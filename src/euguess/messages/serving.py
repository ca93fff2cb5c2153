"""Records of a served model: its card, predictions and explanations."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from euguess.messages.records import (
    MAX_VIEWS,
    SCHEMA_VERSION,
    CountryCode,
    DatasetName,
    Interval,
    Record,
    Sha256,
)


class ImageSpec(Record):
    """Preprocessing from an image to a network input; written by the trainer, read by inference.

    A photo is decoded to RGB, cropped to its central square and resized to size x size with
    antialiased bilinear filtering (euguess.images.preprocessing), scaled to 0..1 and normalised per
    channel: (x - mean) / std.
    """

    size: int = Field(ge=8, le=1024)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class BackboneSpec(Record):
    """A frozen network of a head, whose features are scaled and weighted."""

    network: str
    image: ImageSpec = Field(description="Its own input, made from that of the model")
    layers: tuple[str, ...] = Field(
        default=(),
        description="Inner modules whose means over positions are further features; with :spread "
        "after the name, their standard deviations",
    )
    unit_length: bool = Field(
        default=False, description="Each layer's features are scaled to length 1 first"
    )


class ModelCountry(Record):
    """One output of the network, in label order."""

    country_code: CountryCode
    name: str


class ViewsCalibration(Record):
    """Calibration for `views` fused views; fitted on the val split only."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1, description="Locations of val that it was fitted on")
    temperature: float = Field(gt=0, description="Divisor of the mean logits")
    set_threshold: float = Field(
        ge=0, le=1, description="Lowest probability of a country in the country set"
    )
    abstain_threshold: float = Field(
        ge=0, description="Below this probability the model abstains; above 1 it always does"
    )


class FamiliarityCalibration(Record):
    """What tells photos that look unlike those of training; fitted without the test set."""

    distances: tuple[float, ...] = Field(
        min_length=1, description="Sorted distances of held-out photos, or quantiles of them"
    )
    width: int = Field(ge=1, description="Number of features")
    components: int = Field(ge=1, description="Principal components of the features")
    flagged: Interval = Field(description="Share of test photos that look unfamiliar")


class ModelCard(Record):
    """model.json of an archive: everything that inference needs besides the weights."""

    name: str = "euguess"
    version: str = Field(default="0", description="Registry version, set on promotion")
    network: str
    backbones: tuple[BackboneSpec, ...] = Field(
        default=(), description="Of a head on frozen features; empty for other networks"
    )
    countries: tuple[ModelCountry, ...] = Field(min_length=2)
    image: ImageSpec
    dataset: DatasetName
    manifest_digest: Sha256
    recipe_name: str
    trained_at: datetime
    split_protocol: str
    may_leak: bool = Field(
        default=False,
        description="True if it is unknown which photos show the same place, so that the test may "
        "have had places of the training set",
    )
    metrics: dict[str, Interval] = Field(default_factory=dict)
    temperature: float = Field(
        default=1.0, gt=0, description="Used for any number of views if calibration is empty"
    )
    calibration: tuple[ViewsCalibration, ...] = Field(
        default=(),
        description="Sorted by views, from 1; between and above them the next lower entry applies",
    )
    familiarity: FamiliarityCalibration | None = Field(
        default=None, description="None if there were too few held-out photos to fit it"
    )
    sha256: dict[str, Sha256] = Field(
        default_factory=dict,
        description="Digests of model.safetensors, model.onnx and, with familiarity, "
        "familiarity.safetensors",
    )
    schema_version: Literal[1] = SCHEMA_VERSION


class CountryProbability(Record):
    """One row of a prediction."""

    country_code: CountryCode
    country: str
    probability: float = Field(ge=0, le=1)


class ServedModel(Record):
    """The model that made a prediction."""

    name: str
    version: str
    dataset: str
    trained_at: datetime


class Prediction(Record):
    """Response of POST /predictions/euguess."""

    country_code: CountryCode
    country: str
    probability: float = Field(ge=0, le=1)
    top: tuple[CountryProbability, ...] = Field(min_length=1, max_length=5)
    probabilities: dict[CountryCode, float] = Field(
        description="Probabilities of all countries that the model knows, most likely first"
    )
    country_set: tuple[CountryCode, ...] = Field(
        min_length=1,
        description="Most likely first; contains the true country for 90 % of places like those of "
        "training. Uncalibrated models: the fewest countries with 90 % of the probability",
    )
    abstain: bool = Field(
        description="True if the prediction is too uncertain to be right 9 times out of 10. "
        "Uncalibrated models: if no country is likely. Also true if the photos are unfamiliar"
    )
    familiarity: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of held-out photos like those of training that look at least as "
        "unusual; the median of several photos. None if the model cannot tell",
    )
    unfamiliar: bool = Field(
        default=False,
        description="True if familiarity is below 0.02: the photos look unlike anything that the "
        "model was trained on, so its probabilities mean little",
    )
    views: int = Field(ge=1, le=MAX_VIEWS)
    model: ServedModel


class ViewExplanation(Record):
    """Contribution of one photo to the prediction."""

    heat_map: str = Field(
        description="Base64 of a PNG of 8-bit grey, size x size pixels as the model's input (the "
        "photo's central square): 255 where this view supports the country most, 0 where it "
        "does not. Each view has its own scale"
    )
    effect: float | None = Field(
        ge=-1,
        le=1,
        description="Leave-one-out effect: probability of the country with all views minus without "
        "this one. None if there is no other view",
    )


class Explanation(Record):
    """Response of POST /explanations/euguess."""

    country_code: CountryCode = Field(description="The predicted country that is explained")
    country: str
    probability: float = Field(ge=0, le=1)
    method: str = Field(description="Method of the heat maps", examples=["grad-cam"])
    views: tuple[ViewExplanation, ...] = Field(min_length=1, max_length=MAX_VIEWS)
    model: ServedModel
