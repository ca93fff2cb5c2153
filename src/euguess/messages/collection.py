"""Messages, stored records and statuses of the collection of a dataset.

Sender and receiver import the same class, and both validate. New fields are optional;
SCHEMA_VERSION changes when the meaning of a field changes.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from euguess.messages.records import (
    MAX_VIEWS,
    SCHEMA_VERSION,
    CountryCode,
    DatasetName,
    Latitude,
    Longitude,
    Record,
    Sha256,
)

MAX_SLOTS_PER_MESSAGE = 50
MAX_CANDIDATES_PER_SLOT = 16
MAX_REASON_LENGTH = 500

FENCE_NAMES = AliasChoices("fence", "attempt")  # "attempt" in records of version 0.1


class Budget(Record):
    """Upper limits on the spending of a collection; a limit without a number does not apply."""

    images: int | None = Field(default=None, ge=0, le=10**9, description="Most images to pay for")
    dollars: float | None = Field(
        default=None,
        ge=0,
        le=10**7,
        allow_inf_nan=False,
        description="Most US dollars to spend, at list price",
    )


class DatasetSpec(Record):
    """One named collection request. Two specs are the same dataset when they are equal."""

    name: DatasetName = Field(description="Unique name", examples=["demo"])
    quotas: dict[CountryCode, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        min_length=1, description="Requested locations per country", examples=[{"FR": 40, "PL": 40}]
    )
    provider: str = Field(default="simulator", pattern=r"^[a-z]+$", examples=["simulator"])
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    headings: tuple[Annotated[int, Field(ge=0, lt=360)], ...] = Field(
        default=(0, 120, 240),
        min_length=1,
        max_length=MAX_VIEWS,
        description="View directions, degrees clockwise from north",
        json_schema_extra={"uniqueItems": True},
    )
    fov: int = Field(default=90, ge=10, le=120, description="Horizontal field of view, degrees")
    pitch: int = Field(default=0, ge=-90, le=90, description="Camera pitch, degrees upwards")
    size: int = Field(default=640, ge=16, le=640, description="Side of each view in pixels")
    radius_m: int = Field(default=1000, ge=1, le=50_000, description="Panorama search radius")
    border_buffer_km: float = Field(default=2.0, ge=0, le=50)
    max_candidates: int = Field(
        default=128,
        ge=1,
        le=100_000,
        description="Candidates to try per location before it counts as no_coverage",
    )
    budget: Budget | None = Field(default=None, description="Initial budget; can be changed")
    schema_version: Literal[1] = SCHEMA_VERSION

    @model_validator(mode="after")
    def _headings_are_distinct(self) -> Self:
        if len(set(self.headings)) != len(self.headings):
            raise ValueError("headings must differ from each other")
        return self

    @property
    def requested(self) -> int:
        """Number of requested locations, which is the number of slots."""
        return sum(self.quotas.values())

    def has_slot(self, slot: "SlotKey") -> bool:
        """Return True if a slot is one of the requested locations."""
        return slot.index < self.quotas.get(slot.country_code, 0)


class SlotKey(Record):
    """One requested location of a dataset."""

    country_code: CountryCode
    index: int = Field(ge=0)

    def __str__(self) -> str:
        return f"{self.country_code}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text form that str() returns. Raises ValueError for any other text."""
        country_code, _, index = text.partition("/")
        slot = cls(country_code=country_code, index=int(index))
        if str(slot) != text:
            raise ValueError(f"{text!r} is not a slot")
        return slot


class SlotRequest(Record):
    """A slot with the next candidates of its stream.

    The fence grows with each publication of a slot: a higher one outdates the lower ones.
    """

    slot: SlotKey
    candidates: tuple[tuple[Latitude, Longitude], ...] = Field(
        min_length=1, max_length=MAX_CANDIDATES_PER_SLOT, description="(lat, lon) pairs"
    )
    fence: int = Field(ge=1, validation_alias=FENCE_NAMES)

    @model_validator(mode="before")
    @classmethod
    def _ignore_first_candidate(cls, fields: Any) -> Any:
        """Accept messages queued by version 0.1, which name the first candidate's position."""
        if isinstance(fields, dict):
            return {name: value for name, value in fields.items() if name != "first_candidate"}
        return fields


class FetchLocations(Record):
    """Command to a fetcher: find and store one panorama for each slot."""

    dataset: DatasetName
    slots: tuple[SlotRequest, ...] = Field(min_length=1, max_length=MAX_SLOTS_PER_MESSAGE)
    schema_version: Literal[1] = SCHEMA_VERSION


class SlotStatus(StrEnum):
    """How an attempt at a slot ended. The first three are final."""

    STORED = "stored"
    NO_COVERAGE = "no_coverage"
    FAILED = "failed"
    EXHAUSTED = "exhausted"  # no candidate of this message was usable: publish the next ones
    DEFERRED = "deferred"  # the provider is paused or the budget spent: publish again later
    RETRY = "retry"  # a temporary problem of the provider or the store: publish again later

    @property
    def is_final(self) -> bool:
        return self in (SlotStatus.STORED, SlotStatus.NO_COVERAGE, SlotStatus.FAILED)


class SlotOutcome(Record):
    """Event from a fetcher, or from the sampler if a limit ends a slot."""

    dataset: DatasetName
    slot: SlotKey
    fence: int = Field(
        ge=0, validation_alias=FENCE_NAMES, description="Fence of the publication that it answers"
    )
    status: SlotStatus
    location_id: str | None = None
    reason: str | None = Field(default=None, max_length=MAX_REASON_LENGTH)
    candidates_tried: int = Field(default=0, ge=0)
    rejections: dict[str, int] = Field(
        default_factory=dict, description="Rejected candidates by reason"
    )
    images: int = Field(default=0, ge=0, description="Images downloaded (paid for) in this attempt")
    bytes: int = Field(default=0, ge=0)
    cost: float = Field(default=0.0, ge=0, description="US dollars")
    duration_seconds: float = Field(default=0.0, ge=0)
    finished_at: datetime
    schema_version: Literal[1] = SCHEMA_VERSION


class ViewRecord(Record):
    """One stored image of a location."""

    key: str
    heading: float = Field(ge=0, lt=360)
    sha256: Sha256
    bytes: int = Field(ge=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class PlaceSource(StrEnum):
    """How an import knew which photos show the same place."""

    GIVEN = "given"  # by the location_id of a manifest
    POSITION = "position"  # by coordinates
    GUESS = "guess"  # by the time of capture, or by the names of the files
    UNKNOWN = "unknown"  # other photos may show the same place


class LocationRecord(Record):
    """A stored location. Written after its images, so its presence means that they are complete."""

    location_id: str
    dataset: DatasetName
    slot: SlotKey | None = Field(default=None, description="None for imported photos")
    provider: str
    panorama_id: str
    country_code: CountryCode
    lat: Latitude | None = Field(description="None for imported photos of unknown position")
    lon: Longitude | None
    candidate_lat: Latitude | None = None
    candidate_lon: Longitude | None = None
    distance_m: float | None = Field(default=None, ge=0, description="Candidate to panorama")
    border_km: float | None = Field(default=None, ge=0, description="Distance to the border")
    captured_at: str | None = Field(default=None, description="YYYY, YYYY-MM or ISO date")
    attribution: str
    license: str
    headings_are_relative: bool = False
    fov: int | None = None
    place_known_by: PlaceSource | None = Field(
        default=None, description="None for collected places, and in records of older imports"
    )
    place_reasons: tuple[str, ...] = Field(
        default=(), description="What showed that its photos belong together"
    )
    views: tuple[ViewRecord, ...] = Field(min_length=1)
    fetched_at: datetime
    schema_version: Literal[1] = SCHEMA_VERSION


class StatusCounts(Record):
    """requested = stored + no_coverage + failed + pending, always."""

    requested: int = Field(ge=0)
    stored: int = Field(ge=0)
    no_coverage: int = Field(ge=0)
    failed: int = Field(ge=0)
    pending: int = Field(ge=0)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.stored + self.no_coverage + self.failed + self.pending
        if total != self.requested:
            raise ValueError(f"{self.requested} requested, but the counts add up to {total}")
        return self


class DatasetState(StrEnum):
    """State of a collection."""

    COLLECTING = "collecting"
    PAUSED = "paused"  # the provider refuses, or a quota or budget is spent: see `reason`
    STOPPED = "stopped"  # stopped by DELETE; stored data are kept
    COMPLETE = "complete"
    IMPORTED = "imported"


class DatasetStatus(Record):
    """Response of GET /datasets/{name}."""

    spec: DatasetSpec
    state: DatasetState
    reason: str | None = None
    total: StatusCounts
    countries: dict[CountryCode, StatusCounts]
    failures: dict[str, int] = Field(default_factory=dict, description="Failed slots by reason")
    rejections: dict[str, int] = Field(
        default_factory=dict, description="Rejected candidates by reason"
    )
    images: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)
    cost: float = Field(default=0.0, ge=0)
    possibly_paid: int = Field(
        default=0,
        ge=0,
        description="Images spent that no stored location holds: in progress, repeated or lost",
    )
    budget: Budget | None = Field(default=None, description="None: no limit")
    images_spent: int = Field(
        default=0, ge=0, description="Images paid for, including those in progress or possibly paid"
    )
    dollars_spent: float = Field(default=0.0, ge=0, description="Their cost in US dollars")
    is_budget_spent: bool = Field(default=False, description="Paused until the budget is raised")
    in_progress: int = Field(
        default=0, ge=0, description="Pending places that are queued or at a fetcher"
    )
    silent: int = Field(
        default=0, ge=0, description="Of these, places whose fetcher has not renewed its lease"
    )
    silent_seconds: float = Field(
        default=0.0, ge=0, description="Until the last of their leases ends"
    )

    @property
    def headline(self) -> str:
        """The state in words; a stopped collection ends what fetchers have begun."""
        if self.state is DatasetState.STOPPED and self.in_progress:
            return f"stopping: {self.in_progress:,} in progress"
        return self.state.value

    @property
    def awaited(self) -> str | None:
        """What a collection that seems to stand still waits for, and how long; None: nothing."""
        if not self.silent:
            return None
        places = "1 place waits" if self.silent == 1 else f"{self.silent:,} places wait"
        return (
            f"{places} for a fetcher that has fallen silent. If it was killed, another one takes "
            f"over in {self.silent_seconds:.0f} s, when its lease ends."
        )


class DeadLetter(Record):
    """A message or slot that could not be processed, with all that is needed to replay it."""

    source: str = Field(description="Service that wrote it", examples=["fetcher"])
    reason: str
    payload: Any
    at: datetime


class QueueStatus(Record):
    """Response of GET /queues."""

    messages: dict[str, int] = Field(description="Queued messages by queue")
    slots_in_flight: int = Field(ge=0, description="Slots published and not yet answered")
    dead_letters: int = Field(ge=0)
