"""`euguess predict` and `explain`."""

from pathlib import Path
from typing import Annotated

import typer

from euguess.cli import connections
from euguess.errors import InvalidInput
from euguess.process.project import run_service
from euguess.terminal import explanations
from euguess.terminal.output import console, messages, prediction_table, print_json


def register(app: typer.Typer) -> None:
    """Add the commands to `euguess`."""
    app.command()(predict)
    app.command()(explain)


def predict(
    images: Annotated[list[Path], typer.Argument(help="1 to 8 photos of the same place")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Predict the country of a place from 1 to 8 photos.

    TorchServe answers if it is running. Without a stack, the champion runs in this process.
    """
    views = [_read(path) for path in images]
    client = connections.inference_client()
    if client is None:
        messages.print("[dim]No stack is running; the champion runs in this process.[/dim]")
        options = ["--json"] if as_json else []
        raise typer.Exit(run_service("inference", "predict", *map(str, images), *options))
    prediction = client.predict(views)
    if as_json:
        print_json(prediction)
    else:
        console.print(prediction_table(prediction))


def explain(
    images: Annotated[list[Path], typer.Argument(help="1 to 8 photos of the same place")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures")] = explanations.FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Explain a prediction: where on each photo, and what each photo adds.

    Writes the central square of each photo with a heat map. TorchServe answers if it is running.
    Without a stack, the champion runs in this process.
    """
    views = [_read(path) for path in images]
    client = connections.inference_client()
    if client is None:
        messages.print("[dim]No stack is running; the champion runs in this process.[/dim]")
        options = ["--out", str(out), *(["--json"] if as_json else [])]
        raise typer.Exit(run_service("inference", "explain", *map(str, images), *options))
    explanations.show(client.explain(views), views, images, out, as_json=as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
