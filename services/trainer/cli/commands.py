"""The commands that train and measure.

torch and MLflow take seconds to import, so only what works imports them.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euguess.settings import HomeSettings, RedisSettings
from services.trainer.cli.options import (
    AsJson,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
)

if TYPE_CHECKING:
    from services.trainer.recipe import Recipe
    from services.trainer.runs.experiment import Order, Outcome

PROTOCOLS = "image (the study's: leaks), location, location+buffer or spatial"
Dataset = Annotated[str, typer.Argument(help="Name of a collected or imported dataset")]
RecipeFile = Annotated[Path, typer.Option("--recipe", help="TOML file, e.g. experiments/demo.toml")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a key: --set epochs=3 --set optimizer.name=sgd"),
]
Promote = Annotated[
    bool, typer.Option("--promote", help="Make it champion if it is shown to be better")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch")]


def train(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    protocol: Annotated[str | None, typer.Option(help=PROTOCOLS)] = None,
    promote: Promote = False,
    resume: Resume = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to the trainer of the running stack")
    ] = False,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe on a dataset, report its accuracy and register the model.

    The report is on the test part of the split, which neither the training nor the choice of
    the best epoch has seen.
    """
    from services.trainer.reports.tables import print_report
    from services.trainer.runs.experiment import Order, run_experiment

    order = Order(
        dataset=dataset,
        recipe=_recipe(recipe, _with_protocol(overrides, protocol)),
        is_resumed=resume,
        forgets_stop=True,
        is_promoted=promote,
        on_damage=damage_policy(skip_damaged),
    )
    if queue:
        _queue(order, as_json)
        return
    outcome = run_experiment(order, open_session(device))
    if as_json:
        print_json(_summary(outcome))
    else:
        print_report(console, outcome.report)
        _print_registration(outcome)


def evaluate(
    dataset: Dataset,
    run: Annotated[str, typer.Option(help="Run id of a trained model, or champion")] = "champion",
    protocols: Annotated[
        str | None, typer.Option(help="all, or some of image,location,location+buffer,spatial,...")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="With --protocols: the recipe to train under each")
    ] = None,
    overrides: Overrides = None,
    renewal: Annotated[
        str | None, typer.Option(help="With --protocols: another dataset, of new places")
    ] = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Report the accuracy of a stored model, with 95 % intervals.

    On the data that it was trained on, its test part is used; on a dataset that has grown since,
    or another one, every view that the model has not seen.

    With --protocols and --recipe, one model per split protocol is trained by the recipe (or a
    finished run of it used again), and their accuracies shown side by side; renewal tests the
    location split's model on another dataset.
    """
    if protocols is not None:
        order = _survey_order(dataset, recipe, overrides, skip_damaged)
        _survey(order, protocols, renewal, device, as_json)
        return
    from services.trainer.models.stored_model import evaluate_stored
    from services.trainer.reports.tables import print_report

    report = evaluate_stored(run, dataset, open_session(device), damage_policy(skip_damaged))
    if as_json:
        print_json(report)
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
    from services.trainer.reports.tables import print_comparison, print_report
    from services.trainer.runs.experiment import Order
    from services.trainer.runs.protocols import run_comparison

    order = Order(
        dataset=dataset,
        recipe=_recipe(recipe, overrides or []),
        is_resumed=resume,
        forgets_stop=True,
        is_promoted=promote,
        on_damage=damage_policy(skip_damaged),
    )
    leaky, honest = run_comparison(order, open_session(device))
    if as_json:
        print_json({"leaky": _summary(leaky), "honest": _summary(honest)})
        return
    print_report(console, honest.report)
    print_comparison(console, leaky.report, honest.report)
    _print_registration(honest)


def leaks(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    protocol: Annotated[str | None, typer.Option(help=PROTOCOLS)] = None,
    skip_damaged: SkipDamaged = False,
    as_json: AsJson = False,
) -> None:
    """Look for what the test part of a recipe's split shares with its training; exit 1 if anything.

    Locations, panoramas, photos by their bytes and by a perceptual hash and, where the protocol
    keeps a distance, places nearer than that.
    """
    import torch

    from services.trainer.loading.split_data import load_material
    from services.trainer.reports.tables import leaks_table
    from services.trainer.session import load_cache
    from services.trainer.splits.leaks import count_leaks, find_leaks, name_pairs

    chosen = _recipe(recipe, _with_protocol(overrides, protocol))
    pixels = load_cache(
        dataset, chosen.image, open_session("cpu"), on_damage=damage_policy(skip_damaged)
    )
    split_data = load_material(pixels, chosen, torch.device("cpu"))
    apart_km = chosen.split.spec.apart_km
    found = find_leaks(split_data.index, split_data.split, buffer_km=apart_km)
    counts, pairs = count_leaks(found), name_pairs(split_data.index, found)
    if as_json:
        print_json({"is_honest": not found, "leaks": counts, "pairs": pairs})
    elif found:
        console.print(leaks_table(counts, pairs))
    else:
        console.print(f"No leak between {len(split_data.split.test)} tested views and training.")
    if found:
        sys.exit(1)


def cache(
    dataset: Dataset,
    size: Annotated[int, typer.Option(min=8, max=1024, help="Side in pixels")] = 64,
    skip_damaged: SkipDamaged = False,
    as_json: AsJson = False,
) -> None:
    """Build the tensor cache of a dataset, or bring it up to date; `train` does so by itself."""
    from euguess.messages.serving import ImageSpec
    from services.trainer.session import load_cache

    built = load_cache(
        dataset, ImageSpec(size=size), open_session("cpu"), on_damage=damage_policy(skip_damaged)
    )
    if as_json:
        print_json({"folder": str(built.folder), **built.header.model_dump(mode="json")})
    else:
        console.print(f"{len(built)} images at {size} px in {built.folder}", highlight=False)


def worker() -> None:
    """Take trainings from the queue `train`, one at a time, until stopped."""
    from services.trainer.jobs.worker import run_worker

    run_worker(RedisSettings.load())


def check() -> None:
    """Whether the worker of this home is alive; exit code 1 if not."""
    from services.trainer.jobs.worker import heartbeat_of

    if heartbeat_of(HomeSettings().home).is_silent:
        sys.stdout.write("the worker shows no sign of life\n")
        sys.exit(1)


def _queue(order: "Order", as_json: bool) -> None:
    from services.trainer.cli.queueing import queue_training

    queue_training(order)
    if as_json:
        print_json({"queued": order.recipe.name, "dataset": order.dataset})
    else:
        console.print(f"Queued {order.recipe.name} on {order.dataset}.", highlight=False)


def _survey_order(
    dataset: str, recipe: Path | None, overrides: list[str] | None, skip_damaged: bool
) -> "Order":
    from euguess.errors import InvalidInput
    from services.trainer.runs.experiment import Order

    if recipe is None:
        raise InvalidInput("--protocols trains models, so it needs a recipe: --recipe FILE")
    on_damage = damage_policy(skip_damaged)
    return Order(dataset, _recipe(recipe, overrides or []), on_damage=on_damage)


def _survey(
    order: "Order", protocols: str, renewal: str | None, device: str, as_json: bool
) -> None:
    from services.trainer.runs.protocols import PROTOCOLS as KNOWN
    from services.trainer.runs.protocols import Survey, print_survey, run_survey, summaries

    chosen = KNOWN if protocols == "all" else tuple(protocols.split(","))
    lines = run_survey(Survey(order, chosen, renewal), open_session(device))
    if as_json:
        print_json(summaries(lines))
    else:
        print_survey(console, lines)


def _with_protocol(overrides: list[str] | None, protocol: str | None) -> list[str]:
    return [*(overrides or []), *([f"split.protocol={protocol}"] if protocol else [])]


def _recipe(path: Path, overrides: list[str]) -> "Recipe":
    from services.trainer.recipe import read_recipe

    return read_recipe(path, overrides)


def _summary(outcome: "Outcome") -> dict[str, Any]:
    return {
        "run_id": outcome.run_id,
        "version": outcome.candidate.version if outcome.candidate else None,
        "is_promoted": bool(outcome.verdict and outcome.verdict.is_promoted),
        "promotion": outcome.verdict.reason if outcome.verdict else None,
        "report": outcome.report.model_dump(mode="json"),
    }


def _print_registration(outcome: "Outcome") -> None:
    if outcome.candidate:
        console.print(f"Registered as version {outcome.candidate.version}, run {outcome.run_id}.")
    if outcome.verdict:
        mark = "Promoted" if outcome.verdict.is_promoted else "Not promoted"
        console.print(f"{mark}: {outcome.verdict.reason}.")
