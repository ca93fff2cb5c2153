"""`euguess dataset export`: the complete manifest, or a zip with photos."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from euguess.cli import connections
from euguess.clients import RegistryClient
from euguess.errors import InvalidInput
from euguess.geography.countries import country
from euguess.process.files import room_errors, staged
from euguess.settings import MlflowSettings
from euguess.terminal.output import console, messages

if TYPE_CHECKING:
    from euguess.collection.export import Part

KINDS = ("csv", "parquet")


def export(
    name: Annotated[str, typer.Argument(help="Dataset name")],
    to: Annotated[
        Path | None, typer.Option(help="New file; default: NAME-manifest.csv, NAME-photos.zip")
    ] = None,
    kind: Annotated[str, typer.Option("--format", help="Of the manifest: csv or parquet")] = "csv",
    photos: Annotated[
        bool, typer.Option("--photos", help="Write a zip of the photos and their manifest")
    ] = False,
    countries: Annotated[str, typer.Option(help="Only these country codes, e.g. FR,DE")] = "",
    places: Annotated[
        int | None, typer.Option(min=1, help="Only so many places, drawn at random")
    ] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Only places that the champion has not seen")
    ] = False,
) -> None:
    """Export the list of all stored views, or the photos themselves.

    The list is complete: it is brought up to date first. To move a dataset, unpack the zip and
    import its manifest: places, headings, positions, checksums and licences stay as they are.

    Example: euguess dataset export demo --photos --countries FR,PL --places 50
    """
    if kind not in KINDS:
        raise InvalidInput(f"--format {kind}: use {' or '.join(KINDS)}.")
    target = to or Path(f"{name}-photos.zip" if photos else f"{name}-manifest.{kind}")
    if target.exists():
        raise InvalidInput(f"{target} exists. Choose another file with --to.")
    asyncio.run(_export(name, target, kind, _part(countries, places, unseen=unseen), zipped=photos))


async def _export(name: str, target: Path, kind: str, part: "Part", *, zipped: bool) -> None:
    from euguess.collection import export  # loads pyarrow

    store = await connections.store()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=messages) as progress, room_errors(_no_room(target)):
        table = await export.export_table(store, name, part, progress=_bar(progress, "Reading"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged(target) as file, file.open("wb") as opened:
            if zipped:
                writing = _bar(progress, "Photos")
                await export.write_zip(store, table, export.Kind(kind), opened, writing)
            else:
                opened.write(export.encode(table, export.Kind(kind)))
    found = len(set(table.column("location_id").to_pylist()))
    console.print(f"{target}: {table.num_rows:,} views of {found:,} places.", soft_wrap=True)


def _part(countries: str, places: int | None, *, unseen: bool) -> "Part":
    from euguess.collection.export import Part

    codes = frozenset(
        country(code.strip().upper()).code for code in countries.split(",") if code.strip()
    )
    return Part(codes, places, _seen() if unseen else frozenset())


def _seen() -> frozenset[str]:
    url = MlflowSettings.load().mlflow_url
    if not url:
        raise InvalidInput("--unseen asks the model registry: start it with `euguess up`.")
    seen = RegistryClient(url).champion_seen()
    if seen is None:
        raise InvalidInput("No model is the champion yet, so --unseen has no meaning.")
    return frozenset(seen.location_ids)


def _bar(progress: Progress, label: str) -> Callable[[int, int], None]:
    task = progress.add_task(label, total=None)
    return lambda done, of: progress.update(task, completed=done, total=of)


def _no_room(target: Path) -> str:
    return f"The disk of {target} is full; nothing was written. Choose another file with --to."
