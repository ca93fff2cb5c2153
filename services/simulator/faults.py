"""Scripted faults: the errors of a real provider, on demand."""

import hashlib
import re
from collections import Counter
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from euguess.errors import InvalidInput


class Endpoint(StrEnum):
    METADATA = "metadata"
    IMAGE = "image"


class FaultMode(StrEnum):
    """Kinds of fault."""

    SLOW = "slow"  # responds after `seconds`
    DISCONNECT = "disconnect"  # closes the connection without a response
    DENIED = "denied"  # REQUEST_DENIED, or 403
    OVER_LIMIT_THEN_OK = "over_limit_then_ok"  # OVER_QUERY_LIMIT, or 429
    UNKNOWN_ERROR = "unknown_error"  # UNKNOWN_ERROR, or 503
    SERVER_ERROR_THEN_OK = "500_then_ok"
    HTML_200 = "html_200"  # a web page instead of the response
    STALE_PANO_ID = "stale_pano_id"  # a request by panorama id finds nothing
    FAR_PANO = "far_pano"  # the panorama is 3,498 km away
    NULL_ISLAND = "null_island"
    LAT_EQ_LNG = "lat_eq_lng"
    USER_PHOTOSPHERE = "user_photosphere"  # a person's copyright and a 44-character id
    NO_DATE = "no_date"
    YEAR_ONLY_DATE = "year_only_date"
    ACROSS_BORDER = "across_border"  # the panorama lies in another country
    SAME_PANO = "same_pano"  # the id of the first panorama that the rule applied to
    TRUNCATED_JPEG = "truncated_jpeg"
    WRONG_SIZE_JPEG = "wrong_size_jpeg"
    PLACEHOLDER = "placeholder"  # the grey picture with 200, for any request

    @property
    def passes(self) -> bool:
        """True if the same request succeeds when it is repeated."""
        return self.value.endswith("_then_ok")


# Each mode applies at one stage of a request: before the search, ...
REQUEST_MODES = frozenset(
    {
        FaultMode.DISCONNECT,
        FaultMode.DENIED,
        FaultMode.OVER_LIMIT_THEN_OK,
        FaultMode.UNKNOWN_ERROR,
        FaultMode.SERVER_ERROR_THEN_OK,
        FaultMode.HTML_200,
    }
)
# ... to the metadata of a found panorama, ...
METADATA_MODES = frozenset(
    {
        FaultMode.FAR_PANO,
        FaultMode.NULL_ISLAND,
        FaultMode.LAT_EQ_LNG,
        FaultMode.USER_PHOTOSPHERE,
        FaultMode.NO_DATE,
        FaultMode.YEAR_ONLY_DATE,
        FaultMode.ACROSS_BORDER,
        FaultMode.SAME_PANO,
    }
)
# ... or to the picture of a found panorama.
PICTURE_MODES = frozenset(
    {FaultMode.TRUNCATED_JPEG, FaultMode.WRONG_SIZE_JPEG, FaultMode.PLACEHOLDER}
)


class FaultRule(BaseModel):
    """A fault for all requests, for the next `count` requests, or for a `fraction` of requests.

    A hash of the request decides whether it belongs to the fraction, so that a repeated request
    gets its fault again, `repeats` times (without limit by default; once for *_then_ok).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: FaultMode
    endpoint: Endpoint | None = Field(
        default=None, description="Endpoint that it applies to; both by default"
    )
    count: int | None = Field(default=None, ge=1)
    fraction: float | None = Field(default=None, gt=0, le=1)
    repeats: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=5.0, ge=0, le=600, description="Delay of slow responses")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.count is not None and self.fraction is not None:
            raise ValueError("give count or fraction, not both")
        if self.mode in METADATA_MODES and self.endpoint is Endpoint.IMAGE:
            raise ValueError(f"{self.mode} applies to metadata only")
        if self.mode in PICTURE_MODES and self.endpoint is Endpoint.METADATA:
            raise ValueError(f"{self.mode} applies to images only")
        return self

    @property
    def repeats_per_request(self) -> int | None:
        """How often the fault applies to the same request; None for no limit."""
        passes_once = self.mode.passes and self.count is None
        return 1 if self.repeats is None and passes_once else self.repeats

    def covers(self, subject: str) -> bool:
        """Return True if the request belongs to the fraction."""
        if self.fraction is None:
            return True
        digest = hashlib.blake2b(f"{self.mode} {subject}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64 < self.fraction


FAULT_SYNTAX = re.compile(
    r"(?P<mode>\w+)(=((?P<percent>[\d.]+)%|(?P<count>\d+)))?(@(?P<endpoint>\w+))?"
)


def parse_fault(text: str) -> FaultRule:
    """Parse `mode`, `mode=3` or `mode=10%`, optionally followed by `@metadata` or `@image`."""
    match = FAULT_SYNTAX.fullmatch(text)
    modes = ", ".join(FaultMode)
    if match is None or match["mode"] not in set(FaultMode):
        raise InvalidInput(
            f"{text!r} is not a fault. Write MODE, MODE=3 or MODE=10%. Modes: {modes}."
        )
    values = {name: match[name] for name in ("mode", "count", "endpoint") if match[name]}
    fraction = float(match["percent"]) / 100 if match["percent"] else None
    try:
        return FaultRule.model_validate({**values, "fraction": fraction})
    except ValidationError as error:
        raise InvalidInput(f"{text!r} is not a fault: {error.errors()[0]['msg']}.") from None


class _ActiveRule:
    """A rule and the counts of its use."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.applied = 0
        self._per_request: Counter[str] = Counter()

    def applies(self, endpoint: Endpoint, subject: str) -> bool:
        """Return True if the rule applies to this request, and count it."""
        if self.rule.endpoint not in (None, endpoint) or not self.rule.covers(subject):
            return False
        if self.rule.count is not None and self.applied >= self.rule.count:
            return False
        repeats = self.rule.repeats_per_request
        if repeats is not None:
            if self._per_request[subject] >= repeats:
                return False
            self._per_request[subject] += 1
        self.applied += 1
        return True


class FaultScript:
    """The rules in force."""

    def __init__(self, rules: tuple[FaultRule, ...] = ()) -> None:
        self._active = [_ActiveRule(rule) for rule in rules]

    def add(self, rule: FaultRule) -> None:
        self._active.append(_ActiveRule(rule))

    def clear(self) -> None:
        self._active.clear()

    def apply(
        self, modes: frozenset[FaultMode], endpoint: Endpoint, subject: str
    ) -> FaultRule | None:
        """Return the first rule of these modes that applies to a request, and count it."""
        for active in self._active:
            if active.rule.mode in modes and active.applies(endpoint, subject):
                return active.rule
        return None

    def as_json(self) -> list[dict[str, object]]:
        """The body of GET /faults."""
        return [
            {**active.rule.model_dump(mode="json"), "applied": active.applied}
            for active in self._active
        ]
