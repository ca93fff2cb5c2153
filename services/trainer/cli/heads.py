"""The commands `embed` and `head`: features of frozen backbones, and heads on them."""

from pathlib import Path
from typing import Annotated

import typer

from services.trainer.cli.options import (
    AsJson,
    Dataset,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
)

RecipeFile = Annotated[
    Path, typer.Option("--recipe", help="TOML file, e.g. experiments/heads/lite0.toml")
]
Weights = Annotated[Path, typer.Option(help="Folder of the weights files that the recipe names")]


def embed(
    dataset: Dataset,
    recipe: RecipeFile,
    weights: Weights = Path(),
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Compute and store the features of all views by each backbone of a head recipe.

    Stored features are reused and interrupted runs resumed. `head` does this automatically.
    """
    from services.trainer.heads.embeddings import embed_dataset
    from services.trainer.recipes.head_recipe import read_head_recipe

    chosen = read_head_recipe(recipe).with_weights_in(weights)
    session, on_damage = open_session(device), damage_policy(skip_damaged)
    kept = [
        embed_dataset(dataset, backbone, chosen.image, session, on_damage=on_damage)
        for backbone in chosen.backbones
    ]
    if as_json:
        print_json([{"folder": str(one.folder), **one.header.model_dump()} for one in kept])
        return
    for backbone, one in zip(chosen.backbones, kept, strict=True):
        rows, width = one.features.shape
        console.print(f"{backbone.title}: {rows} views x {width} features in {one.folder}")


def head(
    dataset: Dataset,
    recipe: RecipeFile,
    weights: Weights = Path(),
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Fit a head on the features of frozen backbones and report its accuracy; takes seconds.

    The regularisation is chosen by cross-validation over the training places. Accuracy is measured
    on the test set of the split.
    """
    from services.trainer.heads.experiment import run_head
    from services.trainer.recipes.head_recipe import read_head_recipe
    from services.trainer.reports.tables import print_report

    chosen = read_head_recipe(recipe).with_weights_in(weights)
    outcome = run_head(chosen, dataset, open_session(device), on_damage=damage_policy(skip_damaged))
    score = outcome.chosen.score
    if as_json:
        print_json({"held_out": vars(score), "report": outcome.report.model_dump(mode="json")})
        return
    print_report(console, outcome.report)
    console.print(
        f"Chosen on held-out training places: C = {score.regularisation:g} "
        f"({score.accuracy:.1%} of them correct, all views fused)."
    )
