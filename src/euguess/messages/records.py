"""Base class of all records, their version, and validated value types."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SCHEMA_VERSION: Literal[1] = 1
MAX_VIEWS = 8  # photos of one place in one prediction
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"

CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name) or ".." in name:
        raise ValueError(
            f"{name!r} is not a valid name: use 1 to 63 lower-case letters, digits, '.', '_' or "
            "'-', starting with a letter or digit"
        )
    return name


# The JSON schema's pattern says what the validator checks, whose error is easier to read.
_NAME_SCHEMA = {"pattern": r"^(?!.*\.\.)[a-z0-9][a-z0-9._-]{0,62}$"}
DatasetName = Annotated[str, AfterValidator(_check_name), Field(json_schema_extra=_NAME_SCHEMA)]


class Record(BaseModel):
    """Base class: an immutable value that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Record):
    """A point estimate with its 95 % interval."""

    value: float
    low: float
    high: float
