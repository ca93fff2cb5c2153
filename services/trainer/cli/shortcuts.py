"""The command `shortcuts`: measure how accuracy depends on parts of the photos."""

from pathlib import Path
from typing import Annotated

import typer

from euguess.settings import HomeSettings
from services.trainer.cli.options import (
    AsJson,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
)

FOLDER = "shortcuts"


def shortcuts(
    run: Annotated[
        str, typer.Argument(help="champion, a version number, or the start of a run id")
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Dataset of new places; by default the model's test set")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report; by default shortcuts/RUN in the home"),
    ] = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Hide the sky, the bottom band and the watermark of test photos; report the accuracy lost.

    If hiding a part that says nothing about the country, such as a watermark, costs much accuracy,
    the model has learnt a shortcut. Writes shortcuts.json, shortcuts.md and shortcuts.png:

      euguess shortcuts champion
    """
    from services.trainer.models.shortcuts import find_shortcuts
    from services.trainer.models.shortcuts_report import page, write_report

    found = find_shortcuts(run, open_session(device), damage_policy(skip_damaged), dataset)
    paths = write_report(found, out or HomeSettings().home / FOLDER / found.run_id)
    if as_json:
        print_json(found)
    else:
        console.print(page(found), highlight=False, markup=False)
        console.print(*paths, sep="\n", highlight=False, markup=False, soft_wrap=True)
