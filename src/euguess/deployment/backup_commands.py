"""The commands `backup` and `restore`, which deploy/backup.sh and deploy/restore.sh run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from euguess.clock import utc_now
from euguess.deployment.archives import Advance
from euguess.deployment.backup import StartProgress, restore_backup, write_backup
from euguess.deployment.backup_manifest import BackupManifest
from euguess.terminal.output import console, messages

Volumes = Annotated[Path, typer.Option(help="Folder that holds the volumes")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line of the image `setup`."""
    for command in (backup, restore):
        app.command()(command)


def backup(
    volumes: Volumes = Path("/volumes"),
    target: Annotated[Path, typer.Option(help="Folder for backups")] = Path("/backups"),
) -> None:
    """Back up all volumes to a new folder. Stop the services first."""
    with _bars() as progress:
        folder, manifest = write_backup(volumes, target, utc_now(), progress)
    console.print(_contents(manifest))
    for name, record in manifest.volumes.items():
        if record.left_out:
            messages.print(f"Left out of {name}: {', '.join(record.left_out)}", markup=False)
    console.print(f"The backup is complete: {folder.name}", highlight=False)


def restore(
    volumes: Volumes = Path("/volumes"),
    source: Annotated[Path, typer.Option(help="Folder of one backup")] = Path("/backups"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the current contents of the volumes")
    ] = False,
) -> None:
    """Check a backup and restore the volumes from it. Stop the services first."""
    with _bars() as progress:
        manifest = restore_backup(source, volumes, replace=replace, progress=progress)
    console.print(_contents(manifest))
    console.print(f"The backup of {manifest.created_at:%Y-%m-%d %H:%M} UTC is restored.")


@contextmanager
def _bars() -> Iterator[StartProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=messages) as bars:

        def start_bar(volume: str, total_bytes: int) -> Advance:
            task = bars.add_task(volume, total=total_bytes)
            return lambda count: bars.advance(task, count)

        yield start_bar


def _contents(manifest: BackupManifest) -> Table:
    table = Table()
    table.add_column("volume")
    for name in ("files", "MB"):
        table.add_column(name, justify="right")
    for name, record in manifest.volumes.items():
        table.add_row(name, f"{record.files:,}", f"{record.bytes / 2**20:,.1f}")
    return table
