"""The command `euguess`."""

import typer

from euguess.cli import addresses, countries, datasets, predictions, running, trainer
from euguess.process.exits import run_program

app = typer.Typer(
    help="Names the European country of a street-level photo: collect, train, serve, play.\n\n"
    "Start with `euguess up --demo`: it collects a small dataset, trains, serves and queries. "
    "`euguess doctor` shows what is missing on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(countries.countries)
app.add_typer(datasets.app, name="dataset")
trainer.register(app)
predictions.register(app)
running.register(app)
addresses.register(app)


def run() -> None:
    """Entry point of the installed command."""
    run_program(app, name="euguess")
