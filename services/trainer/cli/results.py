"""The command `results`: measure recipes on real photos and write the table."""

from pathlib import Path
from typing import Annotated

import typer

from services.trainer.cli.options import AsJson, Device, console, open_session, print_json

Dataset = Annotated[str, typer.Argument(help="Name of an imported dataset of real photos")]
Recipes = Annotated[Path, typer.Option(help="Folder with the recipes: *.toml and heads/*.toml")]
Weights = Annotated[Path, typer.Option(help="Folder of the weights files that the recipes name")]
Output = Annotated[Path, typer.Option(help="Folder for the .json, the .md and the plot")]


def results(
    dataset: Dataset,
    recipes: Recipes = Path("experiments/results"),
    weights: Weights = Path("weights"),
    output: Output = Path("docs/results"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure all recipes in a folder on the same places with three seeds, and write the table.

    Earlier measurements are reused, so an interrupted run resumes. Heads whose weights files
    are missing are left out and listed below the table. `make real-results` runs this command.
    """
    from services.trainer.real_results.measure import measure_all, open_benchmark, read_recipes
    from services.trainer.real_results.page import page
    from services.trainer.real_results.plot import draw
    from services.trainer.real_results.summary import summarise

    chosen = read_recipes(recipes, weights)
    benchmark = open_benchmark(dataset, open_session(device), chosen.heads)
    found = summarise(dataset, measure_all(chosen, benchmark), chosen.left_out)
    output.mkdir(parents=True, exist_ok=True)
    plot, text = output / f"{dataset}.png", output / f"{dataset}.md"
    draw(found, plot)
    text.write_text(page(found, plot.name))
    (output / f"{dataset}.json").write_text(found.model_dump_json(indent=2) + "\n")
    if as_json:
        print_json(found)
    else:
        console.print(f"{len(found.lines)} recipes in {text}", highlight=False)
