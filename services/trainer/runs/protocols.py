"""Compare one recipe under every split protocol: how much of its accuracy holds on new places.

Each protocol trains one model with the same recipe, seed and split fractions. A finished run of the
same recipe on the same state of the dataset is reused. The renewal protocol trains nothing: it
tests the location split's model on another dataset, on places that the model has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from euguess.errors import InvalidInput
from euguess.training.recipes.split_spec import SplitProtocol
from euguess.training.report import Report
from services.trainer.models.stored_model import evaluate_stored
from services.trainer.reports.tables import percent, print_caveats
from services.trainer.runs.experiment import Outcome, RunRequest, run_experiment
from services.trainer.runs.reuse import measured
from services.trainer.session import Session

RENEWAL = "renewal"
PROTOCOLS = (*(protocol.value for protocol in SplitProtocol), RENEWAL)
MEANINGS: dict[str, str] = {
    SplitProtocol.IMAGE: "other views of training places",
    SplitProtocol.LOCATION: "other places",
    SplitProtocol.LOCATION_BUFFER: "places at a distance from training places",
    SplitProtocol.SPATIAL: "blocks of land without training places",
    RENEWAL: "another dataset, new places",
}


@dataclass(frozen=True)
class ProtocolResult:
    """The report of one protocol, or the reason that it is missing."""

    protocol: str
    report: Report | None = None
    is_reused: bool = False
    missing: str | None = None


@dataclass(frozen=True)
class ProtocolComparison:
    """The protocols to compare. renewal: the dataset that the renewal protocol tests on."""

    request: RunRequest
    protocols: tuple[str, ...] = PROTOCOLS
    renewal: str | None = None

    def __post_init__(self) -> None:
        unknown = set(self.protocols) - set(PROTOCOLS)
        if unknown:
            raise InvalidInput(
                f"Unknown protocol {min(unknown)!r}. Use all, or some of {','.join(PROTOCOLS)}."
            )
        if self.renewal == self.request.dataset:
            raise InvalidInput("The renewal dataset must differ from the training dataset.")


def compare_protocols(comparison: ProtocolComparison, session: Session) -> list[ProtocolResult]:
    """Return one result per protocol, in order; if one cannot be measured, its result says why."""
    lines = []
    for number, protocol in enumerate(comparison.protocols, start=1):
        session.display.note(f"{number} of {len(comparison.protocols)}: {protocol}")
        lines.append(_line(protocol, comparison, session))
    return lines


def run_comparison(request: RunRequest, session: Session) -> tuple[Outcome, Outcome]:
    """Run the recipe under the image split and under its own honest split.

    A recipe with the image split is compared with the location split. Only the honest model is
    registered, and promoted if requested.
    """
    recipe = request.recipe
    is_honest = recipe.split.protocol is not SplitProtocol.IMAGE
    honest = recipe if is_honest else recipe.with_protocol(SplitProtocol.LOCATION)
    leaky = recipe.with_protocol(SplitProtocol.IMAGE)
    session.display.note("1 of 2: leaky split, by image")
    first = replace(request, recipe=leaky, is_registered=False, is_promoted=False)
    found = run_experiment(first, session)
    session.display.note(f"2 of 2: split by {honest.split.protocol.value}")
    return found, run_experiment(replace(request, recipe=honest), session)


def print_protocols(console: Console, lines: Sequence[ProtocolResult]) -> None:
    """Print the results as a table."""
    table = Table(
        title="Accuracy (top-1) by test set",
        caption="95 % intervals by bootstrap over test places",
    )
    for name in ("protocol", "tested on", "places", "single view", "all views", ""):
        table.add_column(name, justify="left" if name in ("protocol", "tested on", "") else "right")
    for line in lines:
        table.add_row(*_cells(line))
    console.print(table)
    for line in lines:
        if line.report is not None:
            print_caveats(console, f"Note on {line.protocol}", line.report)


def summaries(lines: Sequence[ProtocolResult]) -> list[dict[str, Any]]:
    """Return the results as JSON values; the full reports are stored with their runs."""
    return [
        {
            "protocol": line.protocol,
            "missing": line.missing,
            "is_reused": line.is_reused,
            **(_figures(line.report) if line.report else {}),
        }
        for line in lines
    ]


def _figures(report: Report) -> dict[str, Any]:
    return {
        "run_id": report.run_id,
        "dataset": report.dataset,
        "is_honest": report.is_honest,
        "places": report.places,
        "leaks": report.leaks,
        "test": report.parts["test"],
        "single_view": report.metrics,
        "all_views": report.fused[-1].metrics,
        "left_out": report.left_out,
        "caveats": report.caveats,
    }


def _line(protocol: str, comparison: ProtocolComparison, session: Session) -> ProtocolResult:
    try:
        if protocol == RENEWAL:
            return _renewed(comparison, session)
        report, is_reused = _measured(SplitProtocol(protocol), comparison, session)
    except InvalidInput as error:
        return ProtocolResult(protocol, missing=str(error))
    return ProtocolResult(protocol, report, is_reused)


def _renewed(comparison: ProtocolComparison, session: Session) -> ProtocolResult:
    if comparison.renewal is None:
        missing = "name a dataset of new places: --renewal DATASET"
        return ProtocolResult(RENEWAL, missing=missing)
    trained, is_reused = _measured(SplitProtocol.LOCATION, comparison, session)
    on_damage = comparison.request.on_damage
    report = evaluate_stored(str(trained.run_id), comparison.renewal, session, on_damage)
    return ProtocolResult(RENEWAL, report.model_copy(update={"protocol": RENEWAL}), is_reused)


def _measured(
    protocol: SplitProtocol, comparison: ProtocolComparison, session: Session
) -> tuple[Report, bool]:
    """Return the report of the recipe's run under a protocol, and whether it was reused."""
    recipe = comparison.request.recipe.with_protocol(protocol)
    # The renewal protocol needs the location split's model, not only its report.
    needs_model = protocol is SplitProtocol.LOCATION and comparison.renewal is not None
    request = replace(
        comparison.request, recipe=recipe, is_registered=needs_model, is_promoted=False
    )
    return measured(request, session)


def _cells(line: ProtocolResult) -> tuple[str, ...]:
    meaning, report = MEANINGS[line.protocol], line.report
    if report is None:
        return line.protocol, meaning, "", "", "", line.missing or ""
    fused = report.fused[-1]
    kind = f"{report.kind} ({', '.join(report.leaks)})" if report.leaks else report.kind
    return (
        line.protocol,
        meaning,
        str(report.parts["test"].locations),
        percent(report.metrics["top1_accuracy"]),
        percent(fused.metrics["top1_accuracy"]),
        kind,
    )
