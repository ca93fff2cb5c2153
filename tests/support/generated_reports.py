"""Generated test reports, with random predictions that favour nearby countries."""

import functools
from datetime import UTC, datetime, timedelta

import numpy as np

from dashboard.charts.order import centres
from euguess.geography.countries import country
from euguess.geography.geodesy import great_circle_km
from euguess.images.postprocessing import log_softmax
from euguess.messages.serving import ModelCountry
from euguess.training.report import Baselines, CountryAccuracy, FusedAccuracy, PartSizes, Report
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.bootstrap import Bootstrap, bootstrap_interval, paired_difference
from services.trainer.evaluation.certainty import fit_calibration, measure_certainty
from services.trainer.evaluation.metrics import (
    LogProbabilities,
    confusion_matrix,
    country_table,
    fuse_views,
    is_top,
)

VIEWS = 3
QUICK = Bootstrap(resamples=200)
STARTED = datetime(2026, 2, 3, tzinfo=UTC)


@functools.cache
def generated_report(
    codes: tuple[str, ...],
    recipe: str = "demo",
    *,
    is_leaky: bool = False,
    skill: float = 1.0,
    places: int = 4,
    seed: int = 0,
) -> Report:
    """Generate a report; accuracy grows with skill, and places are per country."""
    labels = np.repeat(np.arange(len(codes)), places * VIEWS)
    ids = np.array([f"place-{row // VIEWS:05}" for row in range(len(labels))])
    single = _answers(codes, labels, skill + is_leaky, seed)
    calibration = fit_calibration(_answers(codes, labels, skill, seed + 1), labels, ids)
    named = single.argmax(axis=1)
    sizes = PartSizes(images=len(labels), locations=len(labels) // VIEWS)
    hits = is_top(single, labels, 1)
    return Report(
        dataset="demo",
        manifest_digest="0" * 64,
        recipe_name=recipe,
        network="googlenet",
        image_size=64,
        protocol="image" if is_leaky else "location",
        leaks={"location": len(labels) * 9 // 10} if is_leaky else {},
        countries=tuple(ModelCountry(country_code=c, name=country(c).name) for c in codes),
        parts=dict.fromkeys(("train", "val", "test"), sizes),
        metrics={
            "top1_accuracy": bootstrap_interval(hits, ids, bootstrap=QUICK),
            "accuracy_within_750_km": bootstrap_interval(hits, ids, bootstrap=QUICK),
        },
        fused=tuple(_fused(single, labels, ids, views) for views in range(1, VIEWS + 1)),
        calibration=calibration,
        certainty=measure_certainty(single, labels, ids, calibration),
        baselines=Baselines(chance=1 / len(codes), majority=1 / len(codes)),
        per_country=_per_country(codes, labels, named, ids),
        confusion=tuple(map(tuple, confusion_matrix(labels, named, len(codes)).tolist())),
        mean_of_batches=float(hits.mean()) * 1.01 if is_leaky else None,
        trained_at=STARTED + timedelta(hours=seed),
    )


def _answers(codes: tuple[str, ...], labels: Rows, skill: float, seed: int) -> LogProbabilities:
    rng = np.random.default_rng(seed)
    noise = rng.gumbel(size=(len(labels), len(codes)))
    return log_softmax(skill * _nearness(codes)[labels] + noise)


@functools.cache
def _nearness(codes: tuple[str, ...]) -> Floats:
    """Return a square matrix of values from 0 to 3."""
    rows = [[great_circle_km(centres()[a], centres()[b]) for b in codes] for a in codes]
    return np.asarray(3 * np.exp(-np.array(rows) / 600))


def _fused(single: LogProbabilities, labels: Rows, ids: Strings, views: int) -> FusedAccuracy:
    fused = fuse_views(single, ids, views=views)
    hits = is_top(fused.log_probabilities, labels[fused.first_rows], 1)
    alone = is_top(single, labels, 1).reshape(-1, VIEWS).mean(axis=1)
    return FusedAccuracy(
        views=views,
        locations=len(hits),
        metrics={"top1_accuracy": bootstrap_interval(hits, fused.location_ids, bootstrap=QUICK)},
        gain=paired_difference(hits, alone, fused.location_ids, bootstrap=QUICK),
    )


def _per_country(
    codes: tuple[str, ...], labels: Rows, named: Rows, ids: Strings
) -> tuple[CountryAccuracy, ...]:
    scores = country_table(confusion_matrix(labels, named, len(codes)))
    return tuple(
        CountryAccuracy(
            country_code=code,
            images=score.support,
            predicted=score.predicted,
            recall=score.recall,
            precision=score.precision,
            locations=len(np.unique(ids[labels == label])),
            predicted_locations=len(np.unique(ids[named == label])),
        )
        for label, (code, score) in enumerate(zip(codes, scores, strict=True))
    )
