"""Countries, their label order and their quotas."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from euguess.errors import InvalidInput, UnknownCountry


class SizeClass(StrEnum):
    """Size classes of the study; a class sets how many locations a country gets."""

    LARGE = "large"
    MEDIUM = "medium"
    SMALL = "small"


QUOTAS = {SizeClass.LARGE: 860, SizeClass.MEDIUM: 369, SizeClass.SMALL: 123}


@dataclass(frozen=True, slots=True)
class Country:
    """A country by ISO 3166-1 alpha-2 code. Its label index is its position in a preset."""

    code: str
    name: str
    size_class: SizeClass

    @property
    def quota(self) -> int:
        """Locations that a preset requests."""
        return QUOTAS[self.size_class]


@dataclass(frozen=True)
class Preset:
    """A named, ordered list of countries; the order gives the label indices."""

    name: str
    countries: tuple[Country, ...]

    @cached_property
    def codes(self) -> tuple[str, ...]:
        return tuple(country.code for country in self.countries)

    @cached_property
    def quotas(self) -> dict[str, int]:
        """Locations per country code, in label order."""
        return {country.code: country.quota for country in self.countries}


def _countries(table: str) -> tuple[Country, ...]:
    rows = (line.split(maxsplit=2) for line in table.strip().splitlines())
    return tuple(Country(code, name, SizeClass(size)) for code, size, name in rows)


# The study's 32 countries in its label order: alphabetical by the names that it used, which is
# why North Macedonia ("FYR Macedonia") comes between France and Germany.
EU32 = _countries("""
AL medium Albania
AT medium Austria
BE medium Belgium
BA small Bosnia and Herzegovina
BG medium Bulgaria
HR medium Croatia
CZ medium Czech Republic
DK medium Denmark
EE medium Estonia
FI medium Finland
FR large France
MK small North Macedonia
DE large Germany
GB large Great Britain
GR medium Greece
HU medium Hungary
IT large Italy
LV small Latvia
LT medium Lithuania
LU small Luxembourg
ME small Montenegro
NL medium Netherlands
PL large Poland
PT medium Portugal
RO large Romania
RS medium Serbia
SK medium Slovakia
SI small Slovenia
ES large Spain
SE medium Sweden
CH medium Switzerland
TR large Turkey
""")

# Every other European country that imagery providers or their users have covered and that lies
# wholly within the packaged boundaries; classes by area and road network. Left out: Russia (cut at
# 51 degrees east), Belarus (only scattered imagery), Kosovo (no ISO code of its own; its territory
# is a neighbour), Monaco and the Vatican (no place in them is 2 km from a border).
FURTHER = _countries("""
AD small Andorra
CY small Cyprus
IS medium Iceland
IE medium Ireland
LI small Liechtenstein
MT small Malta
MD small Moldova
NO medium Norway
SM small San Marino
UA large Ukraine
""")

COUNTRIES = EU32 + FURTHER
PRESETS = {preset.name: preset for preset in (Preset("eu32", EU32), Preset("europe", COUNTRIES))}
_BY_CODE = {country.code: country for country in COUNTRIES}


def country(code: str) -> Country:
    """Return the country with a code. Raises UnknownCountry."""
    try:
        return _BY_CODE[code]
    except KeyError:
        raise UnknownCountry(
            f"{code!r} is not a known country code. To list them, run `euguess countries --preset "
            "europe`."
        ) from None


def preset(name: str) -> Preset:
    """Return the preset with a name. Raises InvalidInput."""
    try:
        return PRESETS[name]
    except KeyError:
        raise InvalidInput(f"{name!r} is not a preset; use one of {', '.join(PRESETS)}.") from None
