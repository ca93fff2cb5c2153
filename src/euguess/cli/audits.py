"""`euguess dataset audit`: find and repair damaged records of a dataset."""

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from euguess.cli import connections
from euguess.terminal.output import console, messages, print_json

if TYPE_CHECKING:
    from euguess.collection.audit import DatasetAudit

SHOWN_KEYS = 10
COLLECTED_AGAIN = (
    "Run `euguess dataset create {name}` with the same values to collect the pending places."
)


def audit_dataset(
    name: Annotated[str, typer.Argument(help="Dataset name")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild slot records, move damaged objects aside")
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read all images and compare their SHA-256")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Find damaged, missing and unused records and images of a dataset; exit 1 if any need repair.

    Reads the store only, so it needs no sampler. Images that were paid for but are not used are
    reported, and need no repair.

    Example: euguess dataset audit demo --repair
    """
    done, found = asyncio.run(_audit(name, repair=repair, checksums=checksums))
    if as_json:
        print_json(found.model_dump(mode="json") | {"repaired": done})
    else:
        for line in done:
            console.print(line, soft_wrap=True)
        if done:
            console.print(COLLECTED_AGAIN.format(name=name), soft_wrap=True)
        _show(found)
    if found.findings:
        raise typer.Exit(1)


async def _audit(name: str, *, repair: bool, checksums: bool) -> tuple[list[str], "DatasetAudit"]:
    from euguess.collection.audit import audit  # loads redis
    from euguess.collection.repair import repair as repair_findings

    store = await connections.store()
    found = await audit(store, name, checksums=checksums)
    if found.is_collecting:
        messages.print(
            f"[yellow]{name} is being collected, so that places in progress may look incomplete. "
            f"For a steady view stop it first: euguess dataset stop {name}[/yellow]"
        )
    if not repair or not found.findings:
        return [], found
    done = await repair_findings(store, name, found.findings)
    return done, await audit(store, name, checksums=checksums)


def _show(found: "DatasetAudit") -> None:
    console.print(
        f"{found.dataset}: {found.slots:,} slots, {found.locations:,} locations, "
        f"{found.images:,} images"
    )
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for finding in found.findings:
        keys[finding.kind.value.replace("_", " ")].append(finding.key)
    for kind, of_kind in keys.items():
        _show_keys(f"[red]{kind}[/red]", of_kind)
    _show_keys("images that no location names", list(found.unrecorded_images))
    _show_keys("receipts of locations that are not stored", list(found.unused_receipts))
    if found.paid_images:
        console.print(
            f"paid, or possibly paid, for {found.paid_images:,} images; {found.unused_images:,} of "
            "them are not used",
            soft_wrap=True,
        )
    if not found.findings:
        console.print("No repair is needed.")


def _show_keys(title: str, keys: list[str]) -> None:
    if not keys:
        return
    console.print(f"{title}: {len(keys):,}")
    for key in keys[:SHOWN_KEYS]:
        console.print(f"  {key}", soft_wrap=True)
    if len(keys) > SHOWN_KEYS:
        console.print(f"  and {len(keys) - SHOWN_KEYS:,} more; `--json` lists all of them")
