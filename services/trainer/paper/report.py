"""The report of `euguess paper`, as Markdown and as one HTML file that holds its plots."""

from datetime import datetime
from pathlib import Path

from euguess.collection.providers import ProviderName
from euguess.training.study_facts import CHANCE, COUNTRIES, PLACES, TABLES
from services.trainer.paper.plots import draw_plots
from services.trainer.paper.run import Paper
from services.trainer.paper.tables import (
    duration,
    missing,
    provenance,
    removed_faults,
    share,
    study_table,
)
from services.trainer.reports.page import html_page

MARKDOWN, PAGE = "report.md", "report.html"
TITLE = "The study, repeated"


def write_report(paper: Paper, folder: Path, written_at: datetime) -> tuple[Path, Path]:
    """Write plots, report.md and report.html; returns the paths of the latter two."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(paper, draw_plots(paper, folder), written_at)
    (folder / MARKDOWN).write_text(text, encoding="utf-8")
    page = html_page(TITLE, text, sorted(folder.glob("*.png")))
    (folder / PAGE).write_text(page, encoding="utf-8")
    return folder / MARKDOWN, folder / PAGE


def markdown(paper: Paper, plots: dict[str, str], written_at: datetime) -> str:
    """The text; plots are captions by file name."""
    images = [f"![{caption}]({name})\n\n*{caption}.*" for name, caption in plots.items()]
    curves = images[:-1] if "faults.png" in plots else images
    change = images[-1] if "faults.png" in plots else ""
    networks = "\n\n".join(("## Figures 5 to 8: the networks side by side", *curves))
    sections = (
        f"# The study's experiments, repeated on {paper.request.dataset}",
        _introduction(paper),
        *(study_table(table, paper) for table in TABLES),
        removed_faults(paper),
        change,
        networks if curves else "",
        provenance(paper),
        missing(paper),
        f"Written {written_at:%Y-%m-%d %H:%M} UTC.",
    )
    return "\n\n".join(filter(None, sections)) + "\n"


def _introduction(paper: Paper) -> str:
    lines = ["The original study's recipes, its faults included, and the same without them."]
    findings = [result.finding for result in paper.results if result.finding]
    if findings:
        report = findings[0].report
        seconds = {finding.report.run_id: finding.history.seconds for finding in findings}
        lines.append(
            f"Dataset {paper.request.dataset} (manifest `{report.manifest_digest[:16]}`, photos by "
            f"{', '.join(paper.providers)}): {len(report.countries)} countries, so that chance is "
            f"{share(report.baselines.chance)}; the study had {COUNTRIES} ({share(CHANCE)}) and "
            f"{PLACES:,} places. All trainings together took "
            f"{duration(sum(seconds.values()))}."
        )
    if paper.request.overrides:
        changes = ", ".join(f"`{change}`" for change in paper.request.overrides)
        lines.append(
            f"**All recipes were changed by {changes}, so that the networks and their training may "
            "not be the study's; the table at the end says what each run is.**"
        )
    if ProviderName.SIMULATOR in paper.providers:
        lines.append(
            "**These photos are drawn by the simulator: what is shown is that the chain works and "
            "what its faults do, not how well photos of real places are named.**"
        )
    if paper.request.renewal:
        lines.append(
            f"The renewal columns test each model on dataset {paper.request.renewal}, on places of "
            "which it has seen nothing."
        )
    lines.append(
        "Accuracy is the share of right countries, with its 95 % interval by bootstrap over test "
        "places, of single views and of all views of a place fused. *Leaky* says that test photos "
        "share a place with training, and how many of them do."
    )
    return "\n\n".join(lines)
