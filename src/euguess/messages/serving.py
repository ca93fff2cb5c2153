"""What a served model carries and answers: its card, its predictions and its explanations."""

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
    """How an image becomes a network input; written once by the trainer, read by inference.

    A photo is decoded to RGB, cropped to its central square and resized to size x size with
    antialiased bilinear filtering (euguess.images.preprocessing), scaled to 0..1 and normalised per
    channel: (x - mean) / std.
    """

    size: int = Field(ge=8, le=1024)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class ModelCountry(Record):
    """One output of the network, in label order."""

    country_code: CountryCode
    name: str


class ViewsCalibration(Record):
    """How outputs are read when `views` views are fused; fitted on the val part alone."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1, description="Places of val that it was fitted on")
    temperature: float = Field(gt=0, description="What mean logits are divided by")
    set_threshold: float = Field(
        ge=0, le=1, description="Probability from which on a country is in the country set"
    )
    abstain_threshold: float = Field(
        ge=0, description="Lowest probability that is answered; above 1 none is"
    )


class ModelCard(Record):
    """model.json of an archive: all that inference needs besides the weights."""

    name: str = "euguess"
    version: str = Field(default="0", description="Registry version, set when it is promoted")
    network: str
    countries: tuple[ModelCountry, ...] = Field(min_length=2)
    image: ImageSpec
    dataset: DatasetName
    manifest_digest: Sha256
    recipe_name: str
    trained_at: datetime
    split_protocol: str
    metrics: dict[str, Interval] = Field(default_factory=dict)
    temperature: float = Field(
        default=1.0, gt=0, description="For any number of views, where calibration is empty"
    )
    calibration: tuple[ViewsCalibration, ...] = Field(
        default=(),
        description="By rising views, from 1; between and above them the next lower one holds",
    )
    sha256: dict[str, Sha256] = Field(
        default_factory=dict, description="Digest of model.safetensors and model.onnx"
    )
    schema_version: Literal[1] = SCHEMA_VERSION


class CountryProbability(Record):
    """One row of a prediction."""

    country_code: CountryCode
    country: str
    probability: float = Field(ge=0, le=1)


class ServedModel(Record):
    """Which model answered."""

    name: str
    version: str
    dataset: str
    trained_at: datetime


class Prediction(Record):
    """Answer of POST /predictions/euguess."""

    country_code: CountryCode
    country: str
    probability: float = Field(ge=0, le=1)
    top: tuple[CountryProbability, ...] = Field(min_length=1, max_length=5)
    probabilities: dict[CountryCode, float] = Field(
        description="Of all countries that the model knows, likeliest first"
    )
    country_set: tuple[CountryCode, ...] = Field(
        min_length=1,
        description="Likeliest first; holds the true country for 90 % of places like those of "
        "training. Of a model that was not calibrated: the fewest with 90 % of the probability",
    )
    abstain: bool = Field(
        description="True when the answer is too unsure to be right 9 times out of 10; of a "
        "model that was not calibrated: when no country is at all likely"
    )
    views: int = Field(ge=1, le=MAX_VIEWS)
    model: ServedModel


class ViewExplanation(Record):
    """What one photo of a place spoke for."""

    heat_map: str = Field(
        description="Base64 of a PNG of 8-bit grey, size x size pixels as the model's input (the "
        "photo's central square): 255 where this view speaks most for the country, 0 where it "
        "does not. Each view has its own scale"
    )
    effect: float | None = Field(
        ge=-1,
        le=1,
        description="Leave-one-out effect: probability of the country with all views minus without "
        "this one. None where there is no other view",
    )


class Explanation(Record):
    """Answer of POST /explanations/euguess."""

    country_code: CountryCode = Field(description="The predicted country, which is explained")
    country: str
    probability: float = Field(ge=0, le=1)
    method: str = Field(description="Of the heat maps", examples=["grad-cam"])
    views: tuple[ViewExplanation, ...] = Field(min_length=1, max_length=MAX_VIEWS)
    model: ServedModel
