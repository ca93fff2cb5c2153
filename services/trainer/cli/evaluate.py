"""The commands `evaluate`, `leaks` and `cache`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.trainer.cli.options import (
    AsJson,
    Dataset,
    Device,
    Overrides,
    Protocol,
    RecipeFile,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
    with_protocol,
)

if TYPE_CHECKING:
    from services.trainer.runs.protocols import ProtocolComparison

Run = Annotated[str, typer.Option(help="champion, a version number, or the start of a run id")]
Protocols = Annotated[
    str | None, typer.Option(help="all, or a list such as image,location,location+buffer,spatial")
]
TrainedRecipe = Annotated[
    Path | None,
    typer.Option("--recipe", help="With --protocols: recipe to train under each protocol"),
]
Renewal = Annotated[
    str | None, typer.Option(help="With --protocols: dataset of new places to test on")
]
Size = Annotated[int, typer.Option(min=8, max=1024, help="Side in pixels")]


def evaluate(
    dataset: Dataset,
    run: Run = "champion",
    protocols: Protocols = None,
    recipe: TrainedRecipe = None,
    overrides: Overrides = None,
    renewal: Renewal = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Report the accuracy of a stored model, with 95 % intervals.

    On the dataset that the model was trained on, only the test set is used. On any other dataset,
    or if the dataset has changed since, all views are used that the model has not seen, at the
    distance that its split keeps. Places in countries that it cannot name are counted, not tested.

    With --protocols and --recipe, train one model per split protocol (or reuse a finished run)
    and show their accuracies side by side. --renewal tests the location split's model on
    another dataset.
    """
    if protocols is None:
        _evaluate(run, dataset, skip_damaged, device, as_json)
    else:
        comparison = _comparison(dataset, recipe, overrides, skip_damaged, protocols, renewal)
        _compare_protocols(comparison, device, as_json)


def leaks(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    protocol: Protocol = None,
    skip_damaged: SkipDamaged = False,
    as_json: AsJson = False,
) -> None:
    """Find leaks from the test set of a recipe's split into training; exit 1 if there are any.

    Compares locations, panoramas and photos (by their bytes and by a perceptual hash). If the
    protocol sets a minimum distance, it also finds places that are too close.
    """
    import torch

    from euguess.training.recipes.read import read_any_recipe
    from euguess.training.report import Places
    from services.trainer.loading.split_data import read_split_data
    from services.trainer.reports.tables import leaks_table
    from services.trainer.session import load_cache
    from services.trainer.splits.leaks import count_leaks, find_leaks, name_pairs

    chosen = read_any_recipe(recipe, with_protocol(overrides, protocol))
    pixels = load_cache(
        dataset, chosen.image, open_session("cpu"), on_damage=damage_policy(skip_damaged)
    )
    split_data = read_split_data(pixels, chosen, torch.device("cpu"))
    apart_km = chosen.split.spec.apart_km
    found = find_leaks(split_data.index, split_data.split, buffer_km=apart_km)
    counts, pairs = count_leaks(found), name_pairs(split_data.index, found)
    places = split_data.index.places
    if as_json:
        is_honest = not found and places is not Places.UNKNOWN
        print_json({"is_honest": is_honest, "places": places, "leaks": counts, "pairs": pairs})
    elif found:
        console.print(leaks_table(counts, pairs))
    else:
        console.print(f"No leaks between {len(split_data.split.test)} tested views and training.")
        if places is Places.UNKNOWN:
            console.print("Some places are unknown, so photos of the same place may be in both.")
    if found:
        sys.exit(1)


def cache(
    dataset: Dataset,
    size: Size = 64,
    skip_damaged: SkipDamaged = False,
    as_json: AsJson = False,
) -> None:
    """Build or update the tensor cache of a dataset. `train` does this automatically."""
    from euguess.messages.serving import ImageSpec
    from services.trainer.session import load_cache

    built = load_cache(
        dataset, ImageSpec(size=size), open_session("cpu"), on_damage=damage_policy(skip_damaged)
    )
    if as_json:
        print_json({"folder": str(built.folder), **built.header.model_dump(mode="json")})
    else:
        console.print(f"{len(built)} images at {size} px in {built.folder}", highlight=False)


def _evaluate(run: str, dataset: str, skip_damaged: bool, device: str, as_json: bool) -> None:
    from services.trainer.models.stored_model import evaluate_stored
    from services.trainer.reports.tables import print_report

    report = evaluate_stored(run, dataset, open_session(device), damage_policy(skip_damaged))
    if as_json:
        print_json(report)
    else:
        print_report(console, report)


def _comparison(
    dataset: str,
    recipe: Path | None,
    overrides: list[str] | None,
    skip_damaged: bool,
    protocols: str,
    renewal: str | None,
) -> "ProtocolComparison":
    from euguess.errors import InvalidInput
    from euguess.training.recipes.read import read_any_recipe
    from services.trainer.runs.experiment import RunRequest
    from services.trainer.runs.protocols import PROTOCOLS, ProtocolComparison

    if recipe is None:
        raise InvalidInput("--protocols trains models and needs a recipe. Add --recipe FILE.")
    request = RunRequest(
        dataset, read_any_recipe(recipe, overrides or []), on_damage=damage_policy(skip_damaged)
    )
    chosen = PROTOCOLS if protocols == "all" else tuple(protocols.split(","))
    return ProtocolComparison(request, chosen, renewal)


def _compare_protocols(comparison: "ProtocolComparison", device: str, as_json: bool) -> None:
    from services.trainer.runs.protocols import compare_protocols, print_protocols, summaries

    results = compare_protocols(comparison, open_session(device))
    if as_json:
        print_json(summaries(results))
    else:
        print_protocols(console, results)
