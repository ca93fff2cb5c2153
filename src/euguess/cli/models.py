"""`euguess train`, `evaluate`, `compare`, `predict`, `explain` and `models ...`."""

from pathlib import Path
from typing import Annotated

import typer

from euguess.cli import connections
from euguess.errors import InvalidInput
from euguess.process.project import run_service
from euguess.terminal import explanations
from euguess.terminal.output import console, messages, prediction_table, print_json

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

models = typer.Typer(
    no_args_is_help=True, help="List trained models, promote one, go back, read who did so."
)


def register(app: typer.Typer) -> None:
    """Add the commands to the main application."""
    app.command(context_settings=PASS_ON, add_help_option=False)(train)
    app.command(context_settings=PASS_ON, add_help_option=False)(evaluate)
    app.command(context_settings=PASS_ON, add_help_option=False)(compare)
    app.command(context_settings=PASS_ON, add_help_option=False)(leaks)
    app.command(context_settings=PASS_ON, add_help_option=False)(embed)
    app.command(context_settings=PASS_ON, add_help_option=False)(head)
    app.command(context_settings=PASS_ON, add_help_option=False)(sweep)
    app.command(context_settings=PASS_ON, add_help_option=False)(paper)
    app.command(context_settings=PASS_ON, add_help_option=False)(shortcuts)
    app.command()(predict)
    app.command()(explain)
    for command in (runs, promote, rollback, audit, card):
        models.command(context_settings=PASS_ON, add_help_option=False)(command)
    app.add_typer(models, name="models")


def train(context: typer.Context) -> None:
    """Train a recipe on a dataset: euguess train DATASET --recipe experiments/demo.toml."""
    raise typer.Exit(run_service("trainer", "train", *context.args))


def evaluate(context: typer.Context) -> None:
    """Report the accuracy of a trained model with intervals: euguess evaluate DATASET."""
    raise typer.Exit(run_service("trainer", "evaluate", *context.args))


def compare(context: typer.Context) -> None:
    """Train under the leaky and the honest split and show both: euguess compare DATASET."""
    raise typer.Exit(run_service("trainer", "compare", *context.args))


def leaks(context: typer.Context) -> None:
    """Name what a split's test part shares with its training: euguess leaks DATASET."""
    raise typer.Exit(run_service("trainer", "leaks", *context.args))


def embed(context: typer.Context) -> None:
    """Compute and keep the features of a backbone: euguess embed DATASET --recipe FILE."""
    raise typer.Exit(run_service("trainer", "embed", *context.args))


def head(context: typer.Context) -> None:
    """Fit and measure a head on frozen features in seconds: euguess head DATASET --recipe FILE."""
    raise typer.Exit(run_service("trainer", "head", *context.args))


def sweep(context: typer.Context) -> None:
    """Search for a better recipe: euguess sweep DATASET --space experiments/sweeps/demo.toml."""
    raise typer.Exit(run_service("trainer", "sweep", *context.args))


def shortcuts(context: typer.Context) -> None:
    """Hide the sky, the bottom or the watermark of test photos: euguess shortcuts RUN."""
    raise typer.Exit(run_service("trainer", "shortcuts", *context.args))


def paper(context: typer.Context) -> None:
    """Repeat the study's experiments and report on them: euguess paper DATASET."""
    raise typer.Exit(run_service("trainer", "paper", *context.args))


def runs(context: typer.Context) -> None:
    """List the newest runs and which one is champion."""
    raise typer.Exit(run_service("trainer", "runs", *context.args))


def promote(context: typer.Context) -> None:
    """Make a run's model champion if it is shown to be better: euguess models promote RUN."""
    raise typer.Exit(run_service("trainer", "promote", *context.args))


def rollback(context: typer.Context) -> None:
    """Make the champion before champion again: euguess models rollback --reason TEXT."""
    raise typer.Exit(run_service("trainer", "rollback", *context.args))


def audit(context: typer.Context) -> None:
    """Show who made which version champion, when and on what grounds."""
    raise typer.Exit(run_service("trainer", "audit", *context.args))


def card(context: typer.Context) -> None:
    """Print the model card of a version, with --data that of its dataset: euguess models card 3."""
    raise typer.Exit(run_service("trainer", "card", *context.args))


def predict(
    images: Annotated[list[Path], typer.Argument(help="1 to 8 photos of ONE place")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Name the country of a place seen on 1 to 8 photos.

    Asks the running TorchServe; without a stack, the champion answers in this process.
    """
    views = [_read(path) for path in images]
    client = connections.inference_client()
    if client is None:
        messages.print("[dim]No stack is running; the champion answers in this process.[/dim]")
        options = ["--json"] if as_json else []
        raise typer.Exit(run_service("inference", "predict", *map(str, images), *options))
    prediction = client.predict(views)
    if as_json:
        print_json(prediction)
    else:
        console.print(prediction_table(prediction))


def explain(
    images: Annotated[list[Path], typer.Argument(help="1 to 8 photos of ONE place")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures")] = explanations.FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show why a place was given its country: where on each photo, and what each photo adds.

    Writes each photo's central square with its heat map over it. Asks the running TorchServe;
    without a stack, the champion answers in this process.
    """
    views = [_read(path) for path in images]
    client = connections.inference_client()
    if client is None:
        messages.print("[dim]No stack is running; the champion answers in this process.[/dim]")
        options = ["--out", str(out), *(["--json"] if as_json else [])]
        raise typer.Exit(run_service("inference", "explain", *map(str, images), *options))
    explanations.show(client.explain(views), views, images, out, as_json=as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
