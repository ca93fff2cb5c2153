"""The command `results`: measure recipes on real photos and write the table."""

from pathlib import Path
from typing import Annotated

import typer

from euguess.messages.records import Record
from services.trainer.cli.options import AsJson, Device, console, open_session, print_json

Dataset = Annotated[str, typer.Argument(help="Name of an imported dataset of real photos")]
Recipes = Annotated[
    Path, typer.Option(help="Folder with the recipes: *.toml, heads/*.toml and across/*.toml")
]
Weights = Annotated[Path, typer.Option(help="Folder of the weights files that the recipes name")]
Other = Annotated[
    str | None, typer.Option(help="A second dataset, to measure what is learnt across datasets")
]
Output = Annotated[Path, typer.Option(help="Folder for the .json, the .md and the plot")]


def results(
    dataset: Dataset,
    other: Other = None,
    recipes: Recipes = Path("experiments/results"),
    weights: Weights = Path("weights"),
    output: Output = Path("docs/results"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure all recipes in a folder on the same places with three seeds, and write the table.

    With --other, the heads in across/ are also trained on each dataset and on both, and tested on
    both. Earlier measurements are reused, so an interrupted run resumes. Heads whose weights files
    are missing are left out and listed below the table. `make real-results` runs this command.
    """
    from services.trainer.real_results.measure import measure_all, open_benchmark, read_recipes
    from services.trainer.real_results.page import page
    from services.trainer.real_results.plot import draw
    from services.trainer.real_results.summary import summarise
    from services.trainer.real_results.transfer import measure_transfer
    from services.trainer.real_results.transfer_page import transfer_page
    from services.trainer.real_results.transfer_plot import draw_transfer
    from services.trainer.real_results.transfer_summary import summarise_transfer

    chosen, session = read_recipes(recipes, weights), open_session(device)
    output.mkdir(parents=True, exist_ok=True)
    benchmark = open_benchmark(dataset, session, (*chosen.heads, *chosen.across))
    if other is not None and chosen.across:
        benchmarks = (benchmark, open_benchmark(other, session, chosen.across))
        answers = list(measure_transfer(chosen.across, benchmarks))
        across = summarise_transfer(answers, chosen.left_out)
        files = _Files(output, f"{dataset}-{other}")
        draw_transfer(across, files.plot)
        files.write(transfer_page(across, files.plot.name), across)
    found = summarise(dataset, measure_all(chosen, benchmark), chosen.left_out)
    files = _Files(output, dataset)
    draw(found, files.plot)
    files.write(page(found, files.plot.name), found)
    if as_json:
        print_json(found)
    else:
        console.print(f"{len(found.lines)} recipes in {files.text}", highlight=False)


class _Files:
    """The files of one page: plot, text and figures."""

    def __init__(self, folder: Path, name: str) -> None:
        self.plot, self.text = folder / f"{name}.png", folder / f"{name}.md"
        self._figures = folder / f"{name}.json"

    def write(self, text: str, figures: Record) -> None:
        self.text.write_text(text)
        self._figures.write_text(figures.model_dump_json(indent=2) + "\n")
