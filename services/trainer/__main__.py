"""Command line of the trainer, also reached by `euguess train`, `evaluate`, `compare`, `models`."""

from functools import partial

import typer

from euguess.process.exits import run_program
from euguess.settings import ProgramSettings
from services.trainer.cli import evaluate as evaluate_commands
from services.trainer.cli import heads as head_commands
from services.trainer.cli import models as model_commands
from services.trainer.cli import paper as paper_commands
from services.trainer.cli import results as results_commands
from services.trainer.cli import shortcuts as shortcuts_commands
from services.trainer.cli import sweep as sweep_commands
from services.trainer.cli import train as train_commands
from services.trainer.cli import worker as worker_commands

app = typer.Typer(
    help="Train classifiers that predict the country of a street-level photo.\n\n"
    "A recipe is a TOML file that describes a training run; see the folder experiments. Runs and "
    "models are stored in MLflow; the model with the alias `champion` is served.\n\n"
    "  euguess compare demo --recipe experiments/demo.toml --promote",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(model_commands.list_versions)
for command in (
    train_commands.train,
    evaluate_commands.evaluate,
    train_commands.compare,
    evaluate_commands.leaks,
    evaluate_commands.cache,
    head_commands.embed,
    results_commands.results,
    sweep_commands.sweep,
    paper_commands.paper,
    shortcuts_commands.shortcuts,
    model_commands.runs,
    model_commands.promote,
    model_commands.rollback,
    model_commands.audit,
    model_commands.card,
    worker_commands.worker,
    worker_commands.check,
):
    app.command()(command)


if __name__ == "__main__":
    program = ProgramSettings().program or "euguess"
    run_program(partial(app, prog_name=program), name="euguess")
