"""Commands that the trainer's own command line runs: `euguess train`, `euguess models ...`."""

import typer

from euguess.process.project import run_service

# Commands of services.trainer, with their text in `euguess --help`.
COMMANDS = {
    "train": "Train a recipe on a dataset, or one that suits it: euguess train DATASET.",
    "evaluate": "Report the accuracy of a trained model with intervals: euguess evaluate DATASET.",
    "compare": "Train under the leaky and the honest split and show both: euguess compare DATASET.",
    "leaks": "List what a split's test and training parts share: euguess leaks DATASET.",
    "embed": "Compute and store the features of a backbone: euguess embed DATASET --recipe FILE.",
    "sweep": "Search for a better recipe: "
    "euguess sweep DATASET --space experiments/sweeps/demo.toml.",
    "paper": "Repeat the study's experiments and report on them: euguess paper DATASET.",
    "shortcuts": "Hide the sky, the bottom or the watermark of test photos: euguess shortcuts RUN.",
}
MODEL_COMMANDS = {
    "runs": "List the newest runs with their versions and show which one is champion.",
    "list": "List the registered versions and show which one is champion.",
    "promote": "Make a run's model champion if it is shown to be better: euguess models promote 3.",
    "rollback": "Make the previous champion champion again: euguess models rollback --reason TEXT.",
    "audit": "Show who made which version champion, when and on what evidence.",
    "card": "Print the model card of a version, or with --data its dataset card: "
    "euguess models card 3.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to `euguess`."""
    for name, text in COMMANDS.items():
        _pass_on(app, name, text)
    models = typer.Typer(
        no_args_is_help=True,
        help="List trained models, promote one, roll back, and show the audit log.",
    )
    for name, text in MODEL_COMMANDS.items():
        _pass_on(models, name, text, program="euguess models")
    app.add_typer(models, name="models")


def _pass_on(app: typer.Typer, name: str, text: str, program: str = "euguess") -> None:
    """Add a command that hands all its arguments, `--help` included, to the trainer."""

    def run(context: typer.Context) -> None:
        raise typer.Exit(run_service("trainer", name, *context.args, program=program))

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=text, context_settings=settings, add_help_option=False)(run)
