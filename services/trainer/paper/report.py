"""Write the report of `euguess paper`: Markdown, and one HTML file with its plots."""

from datetime import datetime
from pathlib import Path

from euguess.collection.providers import ProviderName
from euguess.training.study_facts import CHANCE, COUNTRIES, PLACES, TABLES
from services.trainer.paper.plots import draw_plots
from services.trainer.paper.run import Paper
from services.trainer.paper.sections import loading, perspectives, quotas, tuning
from services.trainer.paper.tables import (
    caveats,
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
    """Write plots, report.md and report.html; return the paths of the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(paper, draw_plots(paper, folder), written_at)
    (folder / MARKDOWN).write_text(text, encoding="utf-8")
    page = html_page(TITLE, text, sorted(folder.glob("*.png")))
    (folder / PAGE).write_text(page, encoding="utf-8")
    return folder / MARKDOWN, folder / PAGE


def markdown(paper: Paper, plots: dict[str, str], written_at: datetime) -> str:
    """Return the report as Markdown. plots: captions by file name."""
    images = [f"![{caption}]({name})\n\n*{caption}.*" for name, caption in plots.items()]
    curves = images[:-1] if "faults.png" in plots else images
    change = images[-1] if "faults.png" in plots else ""
    networks = "\n\n".join(("## Figures 6 to 8: the networks side by side", *curves))
    sections = (
        f"# The study's experiments, repeated on {paper.request.dataset}",
        _introduction(paper),
        quotas(paper),
        *(study_table(table, paper) for table in TABLES),
        perspectives(paper),
        tuning(paper),
        removed_faults(paper),
        change,
        networks if curves else "",
        loading(paper.loading),
        caveats(paper),
        provenance(paper),
        missing(paper),
        f"Written {written_at:%Y-%m-%d %H:%M} UTC.",
    )
    return "\n\n".join(filter(None, sections)) + "\n"


def _introduction(paper: Paper) -> str:
    lines = ["The original study's recipes with their faults, and the same recipes without them."]
    findings = [result.finding for result in paper.results if result.finding]
    if findings:
        report = findings[0].report
        seconds = {finding.report.run_id: finding.history.seconds for finding in findings}
        lines.append(
            f"Dataset {paper.request.dataset} (manifest `{report.manifest_digest[:16]}`, photos "
            f"from {', '.join(paper.contents.providers)}) has {len(report.countries)} countries, "
            f"so chance is {share(report.baselines.chance)}. The study had {COUNTRIES} countries "
            f"({share(CHANCE)}) and {PLACES:,} places. Training took "
            f"{duration(sum(seconds.values()))} in total."
        )
    if paper.request.overrides:
        changes = ", ".join(f"`{change}`" for change in paper.request.overrides)
        lines.append(
            f"**All recipes were run with {changes}, so networks and training may differ from the "
            "study's. The table at the end lists each run.**"
        )
    if ProviderName.SIMULATOR in paper.contents.providers:
        lines.append(
            "**These photos are drawn by the simulator. They show that the pipeline works and what "
            "the faults do, but not how accurate a model is on real photos.**"
        )
    if paper.request.renewal:
        lines.append(
            f"The renewal columns test each model on dataset {paper.request.renewal}, on places "
            "that it has not seen."
        )
    lines.append(
        "Accuracy is the share of correct countries, for single views and for all views of a place "
        "fused, with 95 % intervals by bootstrap over test places. *Leaky* means that test photos "
        "share a place with training photos; the share of such photos is given."
    )
    return "\n\n".join(lines)
