"""How good a model is, as a record: report.json of a run."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from euguess.messages.records import (
    DatasetName,
    Interval,
    Record,
    Sha256,
)
from euguess.messages.serving import ModelCountry, ViewsCalibration


class PartSizes(Record):
    """Size of a part of the split."""

    images: int = Field(ge=0)
    locations: int = Field(ge=0)


class FusedAccuracy(Record):
    """Metrics over locations when up to `views` views of each are averaged."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1)
    metrics: dict[str, Interval]
    gain: Interval | None = Field(
        default=None,
        description="Top-1 accuracy minus that of single views of the same locations, paired",
    )


class Baselines(Record):
    """Accuracy of guessing evenly, and of always naming the most trained country."""

    chance: float = Field(ge=0, le=1)
    majority: float = Field(ge=0, le=1)


class CountryAccuracy(Record):
    """One country, over single views."""

    country_code: str
    images: int = Field(ge=0)
    predicted: int = Field(ge=0)
    recall: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    locations: int | None = Field(
        default=None, ge=0, description="Places of its images; older reports do not tell"
    )
    predicted_locations: int | None = Field(
        default=None, ge=0, description="Places of which some view was named so"
    )


class LeakingPair(Record):
    """A leak by the names of its two views. Distances are None where a position is unknown."""

    kind: str
    test_location: str
    test_heading: float = Field(description="degrees")
    train_location: str
    train_heading: float = Field(description="degrees")
    distance_km: float | None
    bits: int | None = Field(description="By which the perceptual hashes differ, of 64")


class ReliabilityBin(Record):
    """Samples whose highest probability is in (low, high]; means over them."""

    low: float
    high: float
    samples: int = Field(ge=1)
    confidence: float
    accuracy: float


class CoveragePoint(Record):
    """Accuracy over the share of places whose answers are at least so confident."""

    confidence: float
    coverage: float
    accuracy: float


class Certainty(Record):
    """One number of views, over the locations that have so many."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1)
    calibration: ViewsCalibration = Field(description="The one that was used")
    nll: Interval
    brier: Interval
    ece: float
    uncalibrated_nll: Interval
    uncalibrated_ece: float
    reliability: tuple[ReliabilityBin, ...]
    set_coverage: Interval = Field(description="Share of country sets that hold the country")
    set_size: Interval
    answered: Interval = Field(description="Share of places that the model does not abstain from")
    answered_accuracy: Interval | None = Field(description="None when nothing is answered")
    risk_coverage_area: float = Field(description="Mean risk over all coverages (AURC)")
    risk_coverage: tuple[CoveragePoint, ...]

    @property
    def intervals(self) -> dict[str, Interval]:
        """What a model card tells of it, by name."""
        names = ("nll", "brier", "set_coverage", "set_size", "answered", "answered_accuracy")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Report(Record):
    """Measured on the test part of one split; 95 % intervals by bootstrap over locations.

    Errors in km and the GeoScore are of the centre of the named country, over views of known
    position.
    """

    dataset: DatasetName
    manifest_digest: Sha256
    recipe_name: str
    network: str
    image_size: int
    protocol: str
    leaks: dict[str, int] = Field(description="Test images by what they share with training")
    leaking_pairs: tuple[LeakingPair, ...] = Field(default=(), description="Some of each kind")
    countries: tuple[ModelCountry, ...] = Field(description="In label order")
    parts: dict[str, PartSizes]
    metrics: dict[str, Interval] = Field(description="Over single views")
    fused: tuple[FusedAccuracy, ...]
    calibration: tuple[ViewsCalibration, ...] = Field(
        default=(), description="Fitted on val; none when there was no val part"
    )
    certainty: tuple[Certainty, ...] = Field(
        default=(), description="What the calibration does on test, by number of views fused"
    )
    baselines: Baselines
    per_country: tuple[CountryAccuracy, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(description="[true label][predicted label]")
    faults: tuple[str, ...] = Field(default=(), description="Of the study, repeated on purpose")
    mean_of_batches: float | None = Field(
        default=None, ge=0, description="Top-1 accuracy as the study averaged it, which overstates"
    )
    run_id: str | None = None
    trained_at: datetime | None = None
    schema_version: Literal[1] = 1

    @property
    def is_honest(self) -> bool:
        """Whether test shares no place, picture or buffer with training, and no fault is on."""
        return not self.leaks and not self.faults

    @property
    def kind(self) -> str:
        """honest, LEAKY or FAULTY, as shown to people."""
        marks = (("LEAKY", self.leaks), ("FAULTY", self.faults))
        return ", ".join(mark for mark, found in marks if found) or "honest"

    @property
    def card_metrics(self) -> dict[str, Interval]:
        """Metrics of single views, and those of all views fused, by distinct names."""
        single, fused = dict(self.metrics), dict(self.fused[-1].metrics)
        if self.certainty:
            single |= self.certainty[0].intervals
            fused |= self.certainty[-1].intervals
        return {**single, **{f"fused_{name}": value for name, value in fused.items()}}
