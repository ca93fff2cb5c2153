"""The command `sweep`: search for a better recipe."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euguess.errors import Interrupted
from euguess.settings import DeviceSettings, HomeSettings, StoreSettings, SweepSettings
from services.trainer.cli.options import (
    AsJson,
    Dataset,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    messages,
    print_json,
)

if TYPE_CHECKING:
    from services.trainer.sweeps.run import FinishedSweep, SweepRequest

MIN_SILENCE_SECONDS = 2

Space = Annotated[
    Path, typer.Option(help="TOML file of the sweep, e.g. experiments/sweeps/demo.toml")
]
Trials = Annotated[int | None, typer.Option(min=1, help="Number of trials; by default the file's")]
Workers = Annotated[
    int, typer.Option(min=1, max=256, help="Processes that share the trials on this machine")
]
Storage = Annotated[
    str | None,
    typer.Option(help="URL of a database; by default EUGUESS_SWEEP_STORAGE, else a file"),
]
Silence = Annotated[
    int,
    typer.Option(
        min=MIN_SILENCE_SECONDS,
        help="Seconds without a heartbeat before a worker's trial is run again",
    ),
]
Join = Annotated[str | None, typer.Option(hidden=True)]


def sweep(
    dataset: Dataset,
    space: Space,
    trials: Trials = None,
    workers: Workers = 1,
    storage: Storage = None,
    silence: Silence = 60,
    join: Join = None,
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

    Every trial is trained on the training set and scored on the validation set; the test set is not
    used. Poor trials are pruned. After an interruption, run the same command again to finish
    the remaining trials. To add workers, run it elsewhere with the same home or the same
    --storage. Trials of killed workers are run again.

    Writes a folder with best.toml for `euguess train`, and with report.html and report.md, which
    list all trials and plot history, importance and slices.
    """
    from services.trainer.sweeps.run import SweepRequest

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    request = SweepRequest(
        dataset=dataset,
        file=space,
        trials=trials,
        workers=workers,
        storage_url=storage or SweepSettings.load().sweep_storage.get_secret_value(),
        silence_seconds=silence,
        device=device,
        is_repeatable=DeviceSettings.load().repeatable,
        on_damage=damage_policy(skip_damaged),
        join=join,
    )
    finished = _finished(request)
    if not join:
        _report(finished, as_json)


def _finished(request: "SweepRequest") -> "FinishedSweep":
    from services.trainer.sweeps.run import run_sweep

    try:
        return run_sweep(request, HomeSettings().home, StoreSettings.load(), messages)
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped; run the same command again to finish the remaining trials."
        ) from None


def _report(finished: "FinishedSweep", as_json: bool) -> None:
    from services.trainer.sweeps.report import write_report

    write_report(finished.sweep, finished.result, finished.folder)
    if as_json:
        print_json({"folder": str(finished.folder), **finished.result.model_dump(mode="json")})
    else:
        _print_end(finished)


def _print_end(finished: "FinishedSweep") -> None:
    from services.trainer.sweeps.report import BEST_RECIPE
    from services.trainer.sweeps.status import objective_text, values_text

    result = finished.result
    best, shares = result.best, result.importances
    value = objective_text(result.objective, best.value)
    console.print(f"Best of {len(result.trials)} trials: number {best.number}, {value}.")
    console.print(f"  {values_text(best.values)}", highlight=False)
    if shares:
        listed = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
        console.print(f"Importance: {listed}", highlight=False)
    for text in (
        f"Report: {finished.folder / 'report.html'}",
        f"Next:   euguess train {result.dataset} --recipe {finished.folder / BEST_RECIPE}",
    ):
        console.print(text, highlight=False, soft_wrap=True)
