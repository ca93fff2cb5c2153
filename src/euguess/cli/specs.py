"""Options that describe a dataset, and the specification made from them."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from euguess.errors import InvalidInput
from euguess.geography.countries import country, preset
from euguess.geography.country_names import country_named
from euguess.messages.collection import Budget, DatasetSpec

Checked = TypeVar("Checked", bound=BaseModel)

PresetName = Annotated[str, typer.Option("--preset", help="eu32 or europe")]
Countries = Annotated[str, typer.Option(help="Only these country codes, e.g. FR,DE,PL")]
PerCountry = Annotated[
    int | None, typer.Option(help="Locations per country instead of the preset's quotas")
]
Provider = Annotated[str, typer.Option(help="Imagery provider")]
Headings = Annotated[str, typer.Option(help="Degrees clockwise from north, separated by commas")]
BudgetImages = Annotated[int | None, typer.Option(help="Maximum number of paid images")]
BudgetDollars = Annotated[float | None, typer.Option(help="Maximum US dollars at list price")]


def read_spec_options(
    name: str, places: tuple[str, str, int | None], headings: str, **fields: Any
) -> DatasetSpec:
    """Build the specification; `places` holds preset, country codes and number per country.

    Raises InvalidInput.
    """
    quotas = _quotas(*places)
    return _checked(DatasetSpec, name=name, quotas=quotas, headings=_integers(headings), **fields)


def budget_of(images: int | None, dollars: float | None) -> Budget | None:
    """Build a budget; None if neither limit is given. Raises InvalidInput."""
    if images is None and dollars is None:
        return None
    return _checked(Budget, images=images, dollars=dollars)


def _quotas(preset_name: str, countries: str, per_country: int | None) -> dict[str, int]:
    quotas = preset(preset_name).quotas
    codes = [code.strip().upper() for code in countries.split(",") if code.strip()] or list(quotas)
    unknown = [code for code in codes if code not in quotas]
    if unknown:
        raise InvalidInput(
            f"{' '.join(_unknown(code, quotas) for code in unknown)} List the countries of the "
            f"preset {preset_name}: euguess countries --preset {preset_name}"
        )
    return {code: quotas[code] if per_country is None else per_country for code in codes}


def _unknown(code: str, quotas: Mapping[str, int]) -> str:
    meant = country_named(code)
    if meant == code:
        return f"{code} ({country(code).name}) is not in this preset."
    if meant is not None and meant in quotas:
        return f"Unknown code {code}. Did you mean {meant} ({country(meant).name})?"
    return f"Unknown code {code}."


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput(
            f"{text!r} is invalid. Give whole degrees separated by commas."
        ) from None


def _checked(kind: type[Checked], **fields: Any) -> Checked:
    try:
        return kind(**fields)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidInput("; ".join(lines)) from None
