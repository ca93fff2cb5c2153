"""One recipe under every protocol, side by side: how much of its accuracy is for new places.

For each way to split the dataset a model is trained by the same recipe, with the same seed and
fractions; a finished run of the same recipe on the same state of the dataset is used again. The
renewal protocol trains nothing: the location split's model is tested on another dataset, on the
places of which it has seen nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from euguess.errors import InvalidInput
from euguess.training.report import Report
from services.trainer.models.stored_model import evaluate_stored
from services.trainer.reports.tables import percent
from services.trainer.runs.experiment import Order, Outcome, run_experiment
from services.trainer.runs.reuse import measured
from services.trainer.session import Session
from services.trainer.splits.splits import SplitProtocol

RENEWAL = "renewal"
PROTOCOLS = (*(protocol.value for protocol in SplitProtocol), RENEWAL)
MEANINGS: dict[str, str] = {
    SplitProtocol.IMAGE: "other views of places trained on",
    SplitProtocol.LOCATION: "other places",
    SplitProtocol.LOCATION_BUFFER: "places at a distance from those trained on",
    SplitProtocol.SPATIAL: "blocks of land without a place trained on",
    RENEWAL: "another dataset, new places",
}


@dataclass(frozen=True)
class Line:
    """One protocol: its report, or why there is none."""

    protocol: str
    report: Report | None = None
    is_reused: bool = False
    missing: str | None = None


@dataclass(frozen=True)
class Survey:
    """What to measure. renewal: the dataset that the renewal protocol tests on."""

    order: Order
    protocols: tuple[str, ...] = PROTOCOLS
    renewal: str | None = None

    def __post_init__(self) -> None:
        unknown = set(self.protocols) - set(PROTOCOLS)
        if unknown:
            raise InvalidInput(
                f"There is no protocol {min(unknown)!r}; write all, or some of "
                f"{','.join(PROTOCOLS)}."
            )
        if self.renewal == self.order.dataset:
            raise InvalidInput("The renewal dataset must be another one than the dataset itself.")


def run_survey(survey: Survey, session: Session) -> list[Line]:
    """One line per protocol, in their order; a protocol that cannot be used says why."""
    lines = []
    for number, protocol in enumerate(survey.protocols, start=1):
        session.display.note(f"{number} of {len(survey.protocols)}: {protocol}")
        lines.append(_line(protocol, survey, session))
    return lines


def run_comparison(order: Order, session: Session) -> tuple[Outcome, Outcome]:
    """Outcomes under the image split and under the recipe's own honest one.

    A recipe that asks for the image split is compared with the location split. Only the honest
    model is registered, and promoted if the order says so.
    """
    recipe = order.recipe
    is_honest = recipe.split.protocol is not SplitProtocol.IMAGE
    honest = recipe if is_honest else recipe.with_protocol(SplitProtocol.LOCATION)
    leaky = recipe.with_protocol(SplitProtocol.IMAGE)
    session.display.note("1 of 2: the leaky split, over images")
    first = replace(order, recipe=leaky, is_registered=False, is_promoted=False)
    found = run_experiment(first, session)
    session.display.note(f"2 of 2: the honest split, by {honest.split.protocol.value}")
    return found, run_experiment(replace(order, recipe=honest), session)


def print_survey(console: Console, lines: Sequence[Line]) -> None:
    """Print the lines as a table."""
    table = Table(
        title="Accuracy (top-1) by what is tested on",
        caption="95 % intervals by bootstrap over test places",
    )
    for name in ("protocol", "tested on", "places", "single view", "all views", ""):
        table.add_column(name, justify="left" if name in ("protocol", "tested on", "") else "right")
    for line in lines:
        table.add_row(*_cells(line))
    console.print(table)


def summaries(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines for programs; reports in full are kept with their runs."""
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
        "leaks": report.leaks,
        "test": report.parts["test"],
        "single_view": report.metrics,
        "all_views": report.fused[-1].metrics,
    }


def _line(protocol: str, survey: Survey, session: Session) -> Line:
    try:
        if protocol == RENEWAL:
            return _renewed(survey, session)
        report, is_reused = _measured(SplitProtocol(protocol), survey, session)
    except InvalidInput as error:
        return Line(protocol, missing=str(error))
    return Line(protocol, report, is_reused)


def _renewed(survey: Survey, session: Session) -> Line:
    if survey.renewal is None:
        missing = "name a dataset of new places: --renewal DATASET"
        return Line(RENEWAL, missing=missing)
    trained, is_reused = _measured(SplitProtocol.LOCATION, survey, session)
    on_damage = survey.order.on_damage
    report = evaluate_stored(str(trained.run_id), survey.renewal, session, on_damage)
    return Line(RENEWAL, report.model_copy(update={"protocol": RENEWAL}), is_reused)


def _measured(protocol: SplitProtocol, survey: Survey, session: Session) -> tuple[Report, bool]:
    """Report of a finished run of the recipe, else of a new one; and whether it was there."""
    recipe = survey.order.recipe.with_protocol(protocol)
    # The renewal protocol needs the location split's model, not its report alone.
    needs_model = protocol is SplitProtocol.LOCATION and survey.renewal is not None
    order = replace(survey.order, recipe=recipe, is_registered=needs_model, is_promoted=False)
    return measured(order, session)


def _cells(line: Line) -> tuple[str, ...]:
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
