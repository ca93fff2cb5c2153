"""The commands for trained models: runs, promotions and cards."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from euguess.settings import StoreSettings
from euguess.terminal.ids import shortest_starts
from euguess.training.report import MAY_LEAK, Places
from euguess.training.runs import PLACES_TAG
from services.trainer.cli.options import (
    AsJson,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_records,
    open_session,
    print_json,
)

if TYPE_CHECKING:
    from euguess.promotion.audit import AuditEntry
    from euguess.promotion.versions import RegisteredVersion
    from services.trainer.session import Session
    from services.trainer.tracking.runs import RunSummary

Reason = Annotated[str | None, typer.Option(help="Reason for the audit log")]
Run = Annotated[str, typer.Argument(help="Version number, or the start of a run id")]
On = Annotated[
    str | None, typer.Option(help="Dataset to compare the models on; by default the run's own")
]
Force = Annotated[
    bool, typer.Option("--force", help="Promote regardless of the verdict; requires --reason")
]
CardVersion = Annotated[
    str | None, typer.Argument(help="Version number; by default the champion's")
]
OfDataset = Annotated[
    bool, typer.Option("--data", help="Print the dataset card instead of the model card")
]


def runs(as_json: AsJson = False) -> None:
    """List the newest runs with their test accuracy."""
    tracking, registry = open_records()
    champion = registry.champion()
    champion_run = champion.run_id if champion else None
    versions = {one.run_id: one.version for one in registry.versions()}
    found = tracking.runs()
    if as_json:
        rows = ({**vars(run), "version": versions.get(run.run_id)} for run in found)
        print_json([{**row, "is_champion": row["run_id"] == champion_run} for row in rows])
        return
    caption = "`models promote` takes a version or the start of a run id"
    if any(map(_may_leak, found)):
        caption += f"\n* {MAY_LEAK}"
    table = Table(title="Runs", caption=caption)
    for name in ("run", "version", "recipe, dataset, split", "status", "top-1"):
        table.add_column(name, no_wrap=name != "recipe, dataset, split")
    starts = shortest_starts([run.run_id for run in found])
    for run in found:
        accuracy = run.metrics.get("test_top1_accuracy")
        mark = " *" if _may_leak(run) else ""
        share = "" if accuracy is None else f"{accuracy:.1%}{mark}"
        status = "champion" if run.run_id == champion_run else run.status.lower()
        version = versions.get(run.run_id, "")
        table.add_row(starts[run.run_id], version, run.name, status, share)
    console.print(table)


def list_versions(as_json: AsJson = False) -> None:
    """List the registered versions, newest first."""
    _, registry = open_records()
    champion = registry.champion()
    found = registry.versions()
    if as_json:
        print_json([{**vars(one), "is_champion": one == champion} for one in found])
        return
    if not found:
        console.print("No versions yet. Train one: euguess train DATASET")
        return
    table = Table(title="Versions")
    for name in ("version", "run", "dataset, split", "test", "top-1", ""):
        table.add_column(name, justify="right" if name in ("version", "top-1") else "left")
    starts = shortest_starts([one.run_id for one in found])
    for one in found:
        facts = (one.version, starts[one.run_id], f"{one.dataset}, {one.protocol}", one.test)
        mark = "champion" if one == champion else ""
        table.add_row(*facts, f"{one.accuracy:.1%}", mark)
    console.print(table)


def _may_leak(run: "RunSummary") -> bool:
    return run.tags.get(PLACES_TAG) == Places.UNKNOWN


def promote(
    run: Run,
    on: On = None,
    force: Force = False,
    reason: Reason = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make the model of a run the champion, which is served.

    It must have been tested on an honest split and be more accurate than the current champion.
    Both are tested on the same places, which neither was trained on, and the 95 % interval of the
    difference must lie above zero. The verdict is always written to the audit log.
    """
    from euguess.errors import EUGuessError
    from euguess.promotion.gate import PromotionRequest
    from services.trainer.models.comparison import promote as promote_candidate

    session = open_session(device)
    candidate = _registered(run, session)
    request = PromotionRequest(candidate, force, reason)
    verdict = promote_candidate(
        request, on or candidate.dataset, session, damage_policy(skip_damaged)
    )
    if not verdict.is_promoted:
        raise EUGuessError(
            f"Not promoted: {verdict.reason}. To promote it anyway, use --force with --reason."
        )
    if as_json:
        print_json(verdict)
    else:
        console.print(f"Promoted: {verdict.reason}.", highlight=False)


def rollback(reason: Reason = None, as_json: AsJson = False) -> None:
    """Restore the previous champion; requires --reason."""
    from euguess.promotion.audit import StoredAuditLog
    from euguess.promotion.rollback import roll_back

    _, registry = open_records()
    entry = roll_back(registry, StoredAuditLog(StoreSettings.load()), reason or "")
    if as_json:
        print_json(entry)
    else:
        console.print(f"Rolled back: {entry.verdict}.", highlight=False)


def audit(as_json: AsJson = False) -> None:
    """Show who promoted which version, when and why, and which promotions were refused."""
    from euguess.promotion.audit import StoredAuditLog

    entries = StoredAuditLog(StoreSettings.load()).entries()
    if as_json:
        print_json(entries)
        return
    table = Table(title="Promotions", caption="difference: challenger minus champion, in points")
    for name in ("", "when (UTC), who", "decision", "places", "difference", "why"):
        table.add_column(name, justify="right" if name in ("", "places") else "left")
    for entry in entries:
        table.add_row(*_cells(entry))
    console.print(table)


def card(
    version: CardVersion = None,
    data: OfDataset = False,
    as_json: AsJson = False,
) -> None:
    """Print the model card of a version: data, intended use, limits, figures, energy, promotions.

    Cards are Markdown, written when a version is registered. With --data, print the card of its
    dataset: countries, licences and attributions, collection method, known biases.

      euguess models card 3 > MODEL_CARD.md
    """
    from euguess.promotion.audit import StoredAuditLog
    from services.trainer.cards.stored_cards import read_card

    tracking, registry = open_records()
    found = read_card(
        version, tracking, registry, StoredAuditLog(StoreSettings.load()), is_data=data
    )
    if as_json:
        print_json(vars(found))
    else:
        typer.echo(found.text, nl=False)


def _registered(run: str, session: "Session") -> "RegisteredVersion":
    from euguess.errors import InvalidInput
    from services.trainer.tracking.naming import run_named

    run_id = run_named(run, session.tracking, session.registry)
    candidate = session.registry.version_of(run_id)
    if candidate is None:
        raise InvalidInput(f"Run {run_id} registered no model. See: euguess models list")
    return candidate


def _cells(entry: "AuditEntry") -> tuple[str, ...]:
    from euguess.promotion.verdict import points

    before = f" (before: {entry.champion_before})" if entry.champion_before else ""
    mark = ", by force" if entry.is_forced else ""
    contest = entry.contest
    return (
        str(entry.number),
        f"{entry.at:%Y-%m-%d %H:%M}\n{entry.by}",
        f"version {entry.version} {entry.act.value}{mark}{before}",
        str(contest.places) if contest else "",
        points(contest.difference) if contest else "",
        "\n".join(filter(None, (entry.reason, entry.verdict))),
    )
