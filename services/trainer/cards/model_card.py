"""The card of a model as Markdown (Mitchell et al., Model Cards for Model Reporting, 2019)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from euguess.training.recipes.head_recipe import HeadRecipe
from euguess.training.recipes.read import AnyRecipe
from euguess.training.report import Certainty, Report
from services.trainer.cards.energy import Energy
from services.trainer.reports.markdown import (
    NOT_RECORDED,
    bullets,
    escaped,
    front_matter,
    markdown_table,
)
from services.trainer.reports.tables import METRIC_NAMES, percent, plain, shown

UNKNOWN_PLACES = (
    "nothing tells which photos show the same place, so test photos may show places of the "
    "training set, and the figures may not hold for new places."
)
PRIVACY = (
    "The model predicts countries only. It **must not be used to locate people** or to narrow "
    "down where a person is, lives or was."
)
LIMITS = (
    "It always names one of the countries above, even for a photo of another country or of an "
    "interior; its probabilities hold for places like those it was tested on",
    "Accuracy on cameras, years and providers outside the dataset card has not been measured",
    "It may rely on cues that change, such as the camera, the season or road works",
)


@dataclass(frozen=True)
class TrainingFacts:
    """Facts known only to the run; environment is as in services.trainer.runs.provenance."""

    recipe: AnyRecipe
    environment: Mapping[str, str]
    epochs_done: int
    energy: Energy | None


def model_card(report: Report, training: TrainingFacts) -> str:
    """Return the card; all figures are from the report or the run."""
    sections = (
        _header(report),
        f"# Model card: {escaped(report.recipe_name)} on {escaped(report.dataset)}",
        *([_warning(report)] if not report.is_honest else []),
        _details(report, training),
        _intended_use(report),
        _data(report, training.recipe),
        _metrics(report),
        *([_calibration(report.certainty)] if report.certainty else []),
        _by_country(report),
        _footprint(training),
        f"## Ethical considerations\n\n{PRIVACY} Errors differ by country: the table above shows "
        "where the model is worst.",
        "## Limits\n\n" + bullets(LIMITS),
        "## Licences\n\nThe code is under Apache-2.0. The weights derive from the photos in the "
        "dataset card, under their providers' licences and terms, and from the pretrained weights "
        f"named above, if any (terms: {NOT_RECORDED}).",
    )
    return "\n\n".join(sections) + "\n"


def _header(report: Report) -> str:
    metrics = [
        {"type": kind, "name": f"{name}, {views}", "value": round(values[name].value, 4)}
        for views, values in (("one view", report.metrics), _all_views(report))
        for name, kind in (("top1_accuracy", "accuracy"), ("macro_recall", "recall"))
        if name in values
    ]
    result: dict[str, Any] = {
        "task": {"type": "image-classification"},
        "dataset": {"name": report.dataset, "type": report.dataset},
        "metrics": metrics,
    }
    return front_matter(
        {
            "license": "other",
            "license_name": NOT_RECORDED,
            "library_name": "pytorch",
            "pipeline_tag": "image-classification",
            "tags": ["street-level imagery", "country classification"],
            "datasets": [report.dataset],
            "model-index": [{"name": report.recipe_name, "results": [result]}],
        }
    )


def _all_views(report: Report) -> tuple[str, Mapping[str, Any]]:
    return f"up to {report.fused[-1].views} views", report.fused[-1].metrics


def _warning(report: Report) -> str:
    reasons = [f"{count} test photos share their {kind}" for kind, count in report.leaks.items()]
    reasons += [f"fault of the study: {name}" for name in report.faults]
    if report.may_leak:
        return f"**{report.kind}**: {UNKNOWN_PLACES}"
    return f"**{report.kind}**: the figures do not hold for new places ({'; '.join(reasons)})."


def _details(report: Report, training: TrainingFacts) -> str:
    recipe, made = training.recipe, training.environment
    trained_at = f"{report.trained_at:%Y-%m-%d %H:%M} UTC" if report.trained_at else None
    lines = (
        f"Network: {escaped(report.network)}, photos of {report.image_size} pixels",
        f"Pretrained weights: {_weights(recipe)}",
        f"Trained: {escaped(trained_at)}, {_method(training)}, seed {recipe.seed}; "
        "full recipe in recipe.toml of the run",
        f"Run: {escaped(report.run_id)}",
        f"Code: {escaped(made.get('git_revision'))}, torch {escaped(made.get('torch'))}",
        f"Device: {escaped(made.get('device'))}",
    )
    return "## Model details\n\n" + bullets(lines)


def _method(training: TrainingFacts) -> str:
    recipe = training.recipe
    if isinstance(recipe, HeadRecipe):
        return f"a {recipe.head.model} head on frozen features"
    return (
        f"{training.epochs_done} of {recipe.epochs} epochs, batches of {recipe.batch_size}, "
        f"{recipe.optimizer.name} at {recipe.optimizer.learning_rate:g}, {recipe.precision}"
    )


def _weights(recipe: AnyRecipe) -> str:
    parts = recipe.backbones if isinstance(recipe, HeadRecipe) else (recipe,)
    # A path would reveal the machine's folders.
    return ", ".join(escaped(PurePath(part.weights).name) for part in parts)


def _intended_use(report: Report) -> str:
    names = ", ".join(escaped(country.name) for country in report.countries)
    views = report.fused[-1].views
    return (
        f"## Intended use\n\nNames the country of a place on 1 to {views} street-level photos, for "
        f"research, teaching and play. {PRIVACY}\n\nCountries: {names}."
    )


def _data(report: Report, recipe: AnyRecipe) -> str:
    sizes = ([name, str(part.locations), str(part.images)] for name, part in report.parts.items())
    return "\n\n".join(
        (
            "## Training and test data",
            f"{escaped(report.dataset)}, manifest `{report.manifest_digest}`; see the dataset "
            f"card. Split protocol: {escaped(report.protocol)} (seed {recipe.split.seed}).",
            markdown_table(["set", "places", "photos"], sizes),
        )
    )


def _metrics(report: Report) -> str:
    views = [fused for fused in report.fused if fused.views > 1]
    header = ["test set", "one view", *(f"{fused.views} views" for fused in views)]
    rows = [
        [METRIC_NAMES.get(name, escaped(name)), shown(name, interval)]
        + [shown(name, fused.metrics[name]) if name in fused.metrics else "-" for fused in views]
        for name, interval in report.metrics.items()
    ]
    baselines = {"chance": report.baselines.chance, "majority": report.baselines.majority}
    rows += [
        [f"{name} (top-1)", f"{value:.1%}", *("-" for _ in views)]
        for name, value in baselines.items()
        if value is not None
    ]
    return "\n\n".join(
        (
            "## Metrics",
            f"Measured under the {escaped(report.protocol)} split, with 95 % intervals by "
            f"bootstrap over {report.parts['test'].locations} test places.",
            markdown_table(header, rows),
            *([bullets(escaped(caveat) for caveat in report.caveats)] if report.caveats else []),
        )
    )


def _calibration(measured: tuple[Certainty, ...]) -> str:
    header = ["views", "places", "calibration error", "before", "sets with the true country"]
    header += ["countries in a set", "places answered", "accuracy of these"]
    return "\n\n".join(
        (
            "## Calibration",
            "Fitted on val, measured on the test set. Targets: 90 % of the sets contain the true "
            "country, and 90 % of the answers given are right.",
            markdown_table(header, (_certainty(row) for row in measured)),
        )
    )


def _certainty(row: Certainty) -> list[str]:
    right = percent(row.answered_accuracy) if row.answered_accuracy else "-"
    return [
        *(str(row.views), str(row.locations), f"{row.ece:.1%}", f"{row.uncalibrated_ece:.1%}"),
        *(percent(row.set_coverage), plain(row.set_size, 1), percent(row.answered), right),
    ]


def _by_country(report: Report) -> str:
    names = {country.country_code: country.name for country in report.countries}
    rows = (
        [
            escaped(names[row.country_code]),
            str(row.images),
            f"{row.recall:.0%}" if row.images else "-",
            f"{row.precision:.0%}" if row.predicted else "-",
        ]
        for row in report.per_country
    )
    header = ["single views of", "test photos", "recall", "precision"]
    return "## Countries\n\n" + markdown_table(header, rows)


def _footprint(training: TrainingFacts) -> str:
    return "## Time and energy\n\n" + bullets(_footprint_lines(training.energy))


def _footprint_lines(energy: Energy | None) -> Iterable[str]:
    if energy is None:
        yield f"Training time: {NOT_RECORDED}"
        return
    yield f"Training: {_duration(energy.seconds)}, not including any hyperparameter search"
    if energy.kwh is None or energy.co2_kg is None:
        yield f"Energy: {NOT_RECORDED} ({escaped(energy.watts_source)})"
        return
    yield (
        f"Energy, an estimate: {energy.kwh:.3g} kWh, {energy.co2_kg:.3g} kg of CO2: "
        f"{energy.watts:g} W ({escaped(energy.watts_source)}) throughout, at "
        f"{energy.grid_grams_per_kwh:g} g per kWh (EUGUESS\\_GRID\\_GRAMS\\_PER\\_KWH)"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} seconds"
    minutes = seconds / 60
    return f"{minutes:.1f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"
