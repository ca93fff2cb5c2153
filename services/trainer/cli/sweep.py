"""`euguess sweep`: search for a better recipe."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euguess.settings import HomeSettings, StoreSettings, SweepSettings
from services.trainer.cli.options import (
    AsJson,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    messages,
    print_json,
)

if TYPE_CHECKING:
    from services.trainer.sweeps.run import Ended

MIN_SILENCE_SECONDS = 2


def sweep(
    dataset: Annotated[str, typer.Argument(help="Name of a collected or imported dataset")],
    space: Annotated[
        Path, typer.Option(help="TOML file of the sweep, e.g. experiments/sweeps/demo.toml")
    ],
    trials: Annotated[
        int | None, typer.Option(min=1, help="Instead of the file's number of trials")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that share the trials on this machine")
    ] = 1,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of a database; by default EUGUESS_SWEEP_STORAGE, else a file"),
    ] = None,
    silence: Annotated[
        int,
        typer.Option(
            min=MIN_SILENCE_SECONDS,
            help="Seconds without a sign of life after which a worker's trial is run again",
        ),
    ] = 60,
    join: Annotated[str | None, typer.Option(hidden=True)] = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Search for better values of any keys of a recipe, and write the best recipe found.

    The file names a base recipe and the keys to search, each with a range or with choices:

      \\[space.optimizer.learning_rate]
      low = 1e-4
      high = 1e-1
      log = true

    Every trial trains on the train part and is judged on the val part; the test part is never
    looked at. Trials that go badly are pruned. The same command goes on after an interruption
    until there are as many trials as wanted, and one that is started elsewhere, with the same home
    or the same --storage, joins in. Trials of killed workers are run again.

    It ends with a folder: best.toml for `euguess train`, report.html and report.md with all
    trials and with plots of history, importance and slices.
    """
    from services.trainer.sweeps.run import Request, run_sweep

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    request = Request(
        dataset=dataset,
        file=space,
        trials=trials,
        workers=workers,
        storage_url=storage or SweepSettings.load().sweep_storage.get_secret_value(),
        silence_seconds=silence,
        device=device,
        on_damage=damage_policy(skip_damaged),
        join=join,
    )
    try:
        ended = run_sweep(request, HomeSettings().home, StoreSettings.load(), messages)
    except KeyboardInterrupt:
        sys.stderr.write("euguess: stopped; the same command goes on with the trials left\n")
        sys.exit(130)
    if not join:
        _report(ended, as_json)


def _report(ended: "Ended", as_json: bool) -> None:
    from services.trainer.sweeps.report import write_report

    write_report(ended.sweep, ended.result, ended.folder)
    if as_json:
        print_json({"folder": str(ended.folder), **ended.result.model_dump(mode="json")})
    else:
        _print_end(ended)


def _print_end(ended: "Ended") -> None:
    from services.trainer.sweeps.report import BEST_RECIPE
    from services.trainer.sweeps.status import objective_text, values_text

    result = ended.result
    best, shares = result.best, result.importances
    value = objective_text(result.objective, best.value)
    console.print(f"Best of {len(result.trials)} trials: number {best.number}, {value}.")
    console.print(f"  {values_text(best.values)}", highlight=False)
    if shares:
        listed = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
        console.print(f"Importance: {listed}", highlight=False)
    for text in (
        f"Report: {ended.folder / 'report.html'}",
        f"Next:   euguess train {result.dataset} --recipe {ended.folder / BEST_RECIPE}",
    ):
        console.print(text, highlight=False, soft_wrap=True)
