"""The command `embed`: features of frozen backbones."""

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

    Stored features are reused and interrupted runs resumed. `train` does this automatically.
    """
    from euguess.training.recipes.head_recipe import read_head_recipe
    from services.trainer.heads.embeddings import embed_dataset

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
