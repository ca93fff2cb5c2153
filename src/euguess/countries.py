"""The countries, their label order and their quotas."""

from dataclasses import dataclass
from enum import StrEnum


class SizeClass(StrEnum):
    """Classes of the study, with their number of locations per country."""

    LARGE = "large"
    MEDIUM = "medium"
    SMALL = "small"

    @property
    def quota(self) -> int:
        return {"large": 860, "medium": 369, "small": 123}[self.value]


@dataclass(frozen=True, slots=True)
class Country:
    """A country by ISO 3166-1 alpha-2 code. Its label index is its position in a preset."""

    code: str
    name: str
    size_class: SizeClass

    @property
    def quota(self) -> int:
        """Locations that a preset asks for."""
        return self.size_class.quota
