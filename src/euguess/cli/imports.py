"""`euguess dataset import`: labelled photos from a manifest or a folder."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from euguess.errors import InvalidManifest
from euguess.settings import HomeSettings, StoreSettings
from euguess.storage import open_store
from euguess.terminal.output import console, counts_table, messages, print_json

SHOWN_PROBLEMS = 50


def import_photos(
    name: Annotated[str, typer.Argument(help="Name of the new dataset")],
    path: Annotated[Path, typer.Argument(help="CSV or Parquet manifest, or a folder of photos")],
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out invalid rows instead of refusing the import"),
    ] = False,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Allow photos outside the manifest's folder, by ../, absolute paths or links",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Import labelled photos from a manifest or a folder.

    A folder is searched for photos below folders that name a country (France, fr, train/FRA);
    other photos are labelled by their GPS position. A manifest has the columns
    file,country_code,lat,lon,heading,location_id (and, if known, attribution, license, sha256,
    captured_at). All photos are checked before anything is stored. What was guessed and what was
    left out is printed, and listed in the home folder.
    """
    asyncio.run(
        import_dataset(name, path, skip_bad=skip_bad, as_json=as_json, allow_outside=allow_outside)
    )


async def import_dataset(
    name: str, path: Path, *, skip_bad: bool, as_json: bool, allow_outside: bool = False
) -> None:
    """Check all photos, store them and print the counts.

    Raises InvalidInput, which lists all invalid rows, or DatasetConflict.
    """
    # redis, pyarrow and Pillow would slow the start of every other command.
    from euguess.collection.datasets import stored_status
    from euguess.imports.labelled import read_labelled
    from euguess.imports.storing import check_name, store_dataset
    from euguess.imports.summary import summarise, summary_lines, write_lists

    check_name(name)
    with _progress() as progress:
        checking = _bar(progress, "Checking photos")
        found = read_labelled(path, checking, allow_outside=allow_outside)
        _report(found.problems, skip_bad=skip_bad)
        summary = summarise(found)
        listed = write_lists(summary, HomeSettings().home / "imports" / name)
        if not found.photos:
            why = f" Left out, with reasons: {listed[0]}" if listed else ""
            raise InvalidManifest(f"{path} has no valid photos. Nothing was imported.{why}")
        store = await open_store(StoreSettings.load())
        await store_dataset(store, name, found.photos, _bar(progress, "Storing places"))
    status = await stored_status(store, name)
    if as_json:
        print_json({**status.model_dump(mode="json"), "import": summary.model_dump(mode="json")})
    else:
        console.print(counts_table(status))
        left_out = len(summary.left_out)
        console.print(f"{summary.photos:,} photos stored, {left_out:,} files left out.")
        for line in summary_lines(summary):
            console.print(line, markup=False, highlight=False)
        for path in listed:
            console.print(f"Full list: {path}", markup=False, highlight=False)


def _report(problems: Sequence[str], *, skip_bad: bool) -> None:
    """Print the problems if invalid rows may be left out. Raises InvalidManifest otherwise."""
    if not problems:
        return
    lines = [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - SHOWN_PROBLEMS} more")
    text = "\n".join(lines)
    if not skip_bad:
        raise InvalidManifest(
            f"{len(problems)} invalid rows, nothing was imported. "
            f"--skip-bad leaves them out:\n{text}"
        )
    messages.print(f"Leaving out {len(problems)} invalid rows:\n{text}", markup=False)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=messages)


def _bar(progress: Progress, label: str) -> Callable[[int, int], None]:
    """Add a progress bar and return the function that updates it with (done, total)."""
    task = progress.add_task(label, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)
