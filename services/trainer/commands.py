"""The commands. torch and MLflow take seconds to import, so only what works imports them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from euguess.settings import HomeSettings, MlflowSettings, RedisSettings, StoreSettings

if TYPE_CHECKING:
    from services.trainer.experiment import Outcome, Workshop
    from services.trainer.recipe import Recipe
    from services.trainer.registry import Registry
    from services.trainer.tracking import Tracking

console = Console()
messages = Console(stderr=True)

PROTOCOLS = "image (the study's: leaks), location, or location+buffer"
Dataset = Annotated[str, typer.Argument(help="Name of a collected or imported dataset")]
RecipeFile = Annotated[Path, typer.Option("--recipe", help="TOML file, e.g. experiments/demo.toml")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a key: --set epochs=3 --set optimizer.name=sgd"),
]
Device = Annotated[str, typer.Option(help="auto (a GPU if there is one), cpu, cuda, cuda:1 ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Promote = Annotated[bool, typer.Option("--promote", help="Make it champion if it is better")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch")]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave out photos that cannot be decoded")
]


def train(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    protocol: Annotated[str | None, typer.Option(help=PROTOCOLS)] = None,
    promote: Promote = False,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe on a dataset, report its accuracy and register the model.

    The report is on the test part of the split, which neither the training nor the choice of
    the best epoch has seen.
    """
    from services.trainer.experiment import Order, run_experiment
    from services.trainer.report import print_report

    chosen = [*(overrides or []), *([f"split.protocol={protocol}"] if protocol else [])]
    order = Order(
        dataset=dataset,
        recipe=_recipe(recipe, chosen),
        is_resumed=resume,
        is_promoted=promote,
        on_damage=_on_damage(skip_damaged),
    )
    outcome = run_experiment(order, _workshop(device))
    if as_json:
        _print_json(_summary(outcome))
    else:
        print_report(console, outcome.report)
        _print_registration(outcome)


def evaluate(
    dataset: Dataset,
    run: Annotated[str, typer.Option(help="Run id of a trained model, or champion")] = "champion",
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Report the accuracy of a stored model, with 95 % intervals.

    On the data that it was trained on, its test part is used; on a dataset that has grown since,
    or another one, every view that the model has not seen.
    """
    from services.trainer.report import print_report
    from services.trainer.stored_model import evaluate_stored

    report = evaluate_stored(run, dataset, _workshop(device), _on_damage(skip_damaged))
    if as_json:
        _print_json(report)
    else:
        print_report(console, report)


def compare(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    promote: Promote = False,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe under the leaky image split and under an honest one, and show both.

    The difference is what a model gains from having seen other views of the tested places.
    Only the honest model is registered.
    """
    from services.trainer.comparison import run_comparison
    from services.trainer.experiment import Order
    from services.trainer.report import print_comparison, print_report

    order = Order(
        dataset=dataset,
        recipe=_recipe(recipe, overrides or []),
        is_resumed=resume,
        is_promoted=promote,
        on_damage=_on_damage(skip_damaged),
    )
    leaky, honest = run_comparison(order, _workshop(device))
    if as_json:
        _print_json({"leaky": _summary(leaky), "honest": _summary(honest)})
        return
    print_report(console, honest.report)
    print_comparison(console, leaky.report, honest.report)
    _print_registration(honest)


def cache(
    dataset: Dataset,
    size: Annotated[int, typer.Option(min=8, max=1024, help="Side in pixels")] = 64,
    skip_damaged: SkipDamaged = False,
    as_json: AsJson = False,
) -> None:
    """Build the tensor cache of a dataset, or bring it up to date; `train` does so by itself."""
    from euguess.schemas import ImageSpec
    from services.trainer.experiment import load_cache

    built = load_cache(
        dataset, ImageSpec(size=size), _workshop("cpu"), on_damage=_on_damage(skip_damaged)
    )
    if as_json:
        _print_json({"folder": str(built.folder), **built.header.model_dump(mode="json")})
    else:
        console.print(f"{len(built)} images at {size} px in {built.folder}", highlight=False)


def runs(as_json: AsJson = False) -> None:
    """List the newest runs with their test accuracy."""
    tracking, registry = _records()
    champion = registry.champion()
    champion_run = champion.run_id if champion else None
    found = tracking.runs()
    if as_json:
        _print_json([{**vars(run), "is_champion": run.run_id == champion_run} for run in found])
        return
    table = Table(title="Runs")
    for name in ("run id", "recipe, dataset, split", "status", "top-1"):
        table.add_column(name, no_wrap=name == "run id")
    for run in found:
        accuracy = run.metrics.get("test_top1_accuracy")
        share = "" if accuracy is None else f"{accuracy:.1%}"
        status = "champion" if run.run_id == champion_run else run.status.lower()
        table.add_row(run.run_id, run.name, status, share)
    console.print(table)


def promote(
    run: Annotated[str, typer.Argument(help="Run id, as `runs` lists them")],
    force: Annotated[
        bool, typer.Option("--force", help="Even if its figures are leaky, worse or not comparable")
    ] = False,
) -> None:
    """Make the model of a run the champion, which is served.

    Refused unless it was tested by an honest split and is better than the present champion.
    """
    from euguess.errors import EUGuessError, InvalidInput

    tracking, registry = _records()
    tracking.find(run)
    candidate = registry.version_of(run)
    if candidate is None:
        raise InvalidInput(f"Run {run} registered no model.")
    verdict = registry.promote(candidate, force=force)
    if not verdict.is_promoted:
        raise EUGuessError(f"Not promoted: {verdict.reason}. --force promotes it all the same.")
    console.print(f"Promoted: {verdict.reason}.")


def worker() -> None:
    """Take trainings from the queue `train`, one at a time, until stopped."""
    from services.trainer.worker import run_worker

    run_worker(RedisSettings.load())


def check() -> None:
    """Whether the worker of this home is alive; exit code 1 if not."""
    from services.trainer.worker import heartbeat_of

    if heartbeat_of(HomeSettings().home).is_silent:
        sys.stdout.write("the worker shows no sign of life\n")
        sys.exit(1)


def _recipe(path: Path, overrides: list[str]) -> "Recipe":
    from services.trainer.recipe import read_recipe

    return read_recipe(path, overrides)


def _workshop(device: str) -> "Workshop":
    from services.trainer.opening import open_workshop

    return open_workshop(
        HomeSettings().home, StoreSettings.load(), MlflowSettings.load(), device, messages
    )


def _records() -> "tuple[Tracking, Registry]":
    from services.trainer.registry import Registry
    from services.trainer.tracking import open_tracking

    tracking = open_tracking(MlflowSettings.load().url, HomeSettings().home)
    return tracking, Registry(tracking.client)


def _on_damage(skip_damaged: bool) -> Any:
    from services.trainer.cache_decoding import OnDamage

    return OnDamage.SKIP if skip_damaged else OnDamage.RAISE


def _summary(outcome: "Outcome") -> dict[str, Any]:
    return {
        "run_id": outcome.run_id,
        "version": outcome.candidate.version if outcome.candidate else None,
        "is_promoted": bool(outcome.verdict and outcome.verdict.is_promoted),
        "promotion": outcome.verdict.reason if outcome.verdict else None,
        "report": outcome.report.model_dump(mode="json"),
    }


def _print_json(value: Any) -> None:
    sys.stdout.write(to_json(value, indent=2).decode() + "\n")


def _print_registration(outcome: "Outcome") -> None:
    if outcome.candidate:
        console.print(f"Registered as version {outcome.candidate.version}, run {outcome.run_id}.")
    if outcome.verdict:
        mark = "Promoted" if outcome.verdict.is_promoted else "Not promoted"
        console.print(f"{mark}: {outcome.verdict.reason}.")
