"""`euguess countries`: the presets with their label order and quotas."""

from typing import Annotated

import typer
from rich.table import Table

from euguess.geography.countries import Preset, preset
from euguess.terminal.output import console, print_json


def countries(
    name: Annotated[
        str, typer.Option("--preset", help="eu32 (the study's 32 countries) or europe")
    ] = "eu32",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List the countries of a preset in label order, with the number of locations of each."""
    chosen = preset(name)
    if as_json:
        print_json({"preset": chosen.name, "countries": _rows(chosen)})
    else:
        console.print(_table(chosen))


def _rows(chosen: Preset) -> list[dict[str, str | int]]:
    return [
        {
            "label": label,
            "country_code": country.code,
            "name": country.name,
            "size_class": country.size_class.value,
            "quota": chosen.quotas[country.code],
        }
        for label, country in enumerate(chosen.countries)
    ]


def _table(chosen: Preset) -> Table:
    total = sum(chosen.quotas.values())
    table = Table(title=f"{chosen.name}: {len(chosen.countries)} countries, {total:,} locations")
    for name in ("label", "code", "country", "size class", "locations"):
        table.add_column(name, justify="right" if name in ("label", "locations") else "left")
    for row in _rows(chosen):
        table.add_row(*(str(value) for value in row.values()))
    return table
