"""The commands about trained models: which there are, which is champion, and since when."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from euguess.settings import StoreSettings
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
    from euguess.promotion.audit import Entry

Reason = Annotated[str | None, typer.Option(help="Why, for the audit log")]


def runs(as_json: AsJson = False) -> None:
    """List the newest runs with their test accuracy."""
    tracking, registry = open_records()
    champion = registry.champion()
    champion_run = champion.run_id if champion else None
    found = tracking.runs()
    if as_json:
        print_json([{**vars(run), "is_champion": run.run_id == champion_run} for run in found])
        return
    table = Table(title="Runs")
    for name in ("run id", "recipe, dataset, split", "status", "top-1"):
        table.add_column(name, no_wrap=name == "run id")
    for run in found:
        accuracy = run.metrics.get("test_top1_accuracy")
        share = "" if accuracy is None else f"{accuracy:.1%}"
        status = "champion" if run.run_id == champion_run else run.status.lower()
        table.add_row(run.run_id, run.name, status, share)
    console.print(table)


def promote(
    run: Annotated[str, typer.Argument(help="Run id, as `runs` lists them")],
    on: Annotated[
        str | None, typer.Option(help="Dataset whose places decide; by default the run's own")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Whatever the verdict; needs --reason")
    ] = False,
    reason: Reason = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make the model of a run the champion, which is served.

    It must be honestly tested, and name the countries of more places than the present champion:
    both answer for the same places, which neither has learnt from, and the 95 % interval of the
    difference must lie above zero. The verdict is written to the audit log either way.
    """
    from euguess.errors import EUGuessError, InvalidInput
    from services.trainer.models.promotion import Wish
    from services.trainer.models.promotion import promote as promote_candidate

    session = open_session(device)
    session.tracking.find(run)
    candidate = session.registry.version_of(run)
    if candidate is None:
        raise InvalidInput(f"Run {run} registered no model.")
    on_damage = damage_policy(skip_damaged)
    wish = Wish(candidate, on or candidate.dataset, force, reason, on_damage)
    verdict = promote_candidate(wish, session)
    if not verdict.is_promoted:
        raise EUGuessError(
            f"Not promoted: {verdict.reason}. --force with a --reason promotes it all the same."
        )
    if as_json:
        print_json(verdict)
    else:
        console.print(f"Promoted: {verdict.reason}.", highlight=False)


def rollback(reason: Reason = None, as_json: AsJson = False) -> None:
    """Make the champion before the present one champion again; needs --reason."""
    from euguess.promotion.audit import AuditLog
    from euguess.promotion.rollback import roll_back

    _, registry = open_records()
    entry = roll_back(registry, AuditLog(StoreSettings.load()), reason or "")
    if as_json:
        print_json(entry)
    else:
        console.print(f"Rolled back: {entry.verdict}.", highlight=False)


def audit(as_json: AsJson = False) -> None:
    """Show who made which version champion, when and why, and what was refused."""
    from euguess.promotion.audit import AuditLog

    entries = AuditLog(StoreSettings.load()).entries()
    if as_json:
        print_json(entries)
        return
    table = Table(title="Promotions", caption="difference: challenger minus champion, in points")
    for name in ("", "when (UTC), who", "decision", "places", "difference", "why"):
        table.add_column(name, justify="right" if name in ("", "places") else "left")
    for entry in entries:
        table.add_row(*_cells(entry))
    console.print(table)


def _cells(entry: "Entry") -> tuple[str, ...]:
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
