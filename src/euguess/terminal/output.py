"""Output of commands: JSON for programs, tables for people."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from euguess.messages.collection import DatasetStatus, StatusCounts
from euguess.messages.serving import Prediction

console = Console()
messages = Console(stderr=True)  # for progress and notes, so that standard output stays parseable


def print_json(value: BaseModel | Mapping[str, Any] | list[Any]) -> None:
    sys.stdout.write(to_json(value, indent=2).decode() + "\n")


def counts_table(status: DatasetStatus) -> Table:
    """Build a table of counts per country."""
    title = f"{status.spec.name}: {status.headline}"
    reason = f" ({status.reason})" if status.reason else ""
    table = Table(title=title + reason, caption=status.awaited)
    table.add_column("country")
    for name in ("requested", "stored", "no coverage", "failed", "pending"):
        table.add_column(name, justify="right")
    for code, counts in status.countries.items():
        table.add_row(code, *_cells(counts))
    table.add_section()
    table.add_row("all", *_cells(status.total), style="bold")
    return table


def datasets_table(statuses: Sequence[DatasetStatus]) -> Table:
    """Build a table with a line per dataset."""
    table = Table(title="Datasets")
    for name in ("name", "state", "provider", "places", "of", "countries"):
        is_number = name in ("places", "of", "countries")
        table.add_column(name, justify="right" if is_number else "left")
    for status in statuses:
        total, spec = status.total, status.spec
        numbers = (total.stored, total.requested, len(status.countries))
        table.add_row(spec.name, status.state.value, spec.provider, *(f"{n:,}" for n in numbers))
    return table


def _cells(counts: StatusCounts) -> list[str]:
    numbers = (
        counts.requested,
        counts.stored,
        counts.no_coverage,
        counts.failed,
        counts.pending,
    )
    return [str(number) for number in numbers]


def prediction_table(prediction: Prediction) -> Table:
    """Build a table of the five most likely countries, with bars."""
    likely = f"90 % sure: {', '.join(prediction.country_set)}"
    caption = f"too uncertain to say; {likely}" if prediction.abstain else likely
    if prediction.unfamiliar:
        caption = "These photos look unlike anything that the model was trained on."
    table = Table(title=f"{prediction.country} ({prediction.probability:.0%})", caption=caption)
    for name in ("country", "probability", ""):
        table.add_column(name, justify="right" if name == "probability" else "left")
    for row in prediction.top:
        table.add_row(row.country, f"{row.probability:.1%}", "█" * round(row.probability * 40))
    return table
