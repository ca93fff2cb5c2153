"""Evaluation of a model on the test set: accuracies, calibration, baselines and leaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from euguess.images.postprocessing import log_softmax
from euguess.messages.records import Interval
from euguess.training.recipes.head_recipe import HeadRecipe
from euguess.training.recipes.read import AnyRecipe
from euguess.training.recipes.split_spec import SplitProtocol
from euguess.training.report import (
    Baselines,
    CountryAccuracy,
    FusedAccuracy,
    PartSizes,
    Report,
    UntestedCountry,
)
from services.trainer.dataset.view_index import Floats, Rows, Strings, ViewIndex
from services.trainer.devices import on_device
from services.trainer.evaluation.bootstrap import (
    bootstrap_interval,
    macro_recall_interval,
    paired_difference,
)
from services.trainer.evaluation.certainty import Calibration, fit_calibration, measure_certainty
from services.trainer.evaluation.distances import country_centres, distance_metrics
from services.trainer.evaluation.metrics import (
    TRAIN_MORE_SLOWLY,
    FusedViews,
    LogProbabilities,
    confusion_matrix,
    country_table,
    fuse_views,
    is_top,
    mean_of_batches,
    require_finite,
)
from services.trainer.loading.batches import DeviceImages
from services.trainer.loading.split_data import LabelledSplit, SplitData, subset
from services.trainer.splits.leaks import count_leaks, find_leaks, name_pairs

TOP = 5
EVALUATION_BATCH = 256
NOT_IN_TEST = "none of its places is in the test set"

Forward = Callable[[Tensor], Tensor]


def predict_logits(
    forward: Forward,
    images: DeviceImages,
    rows: Rows,
    batch_size: int = EVALUATION_BATCH,
    advice: str = TRAIN_MORE_SLOWLY,
) -> NDArray[np.float32]:
    """Return the logits of the rows in order, shape (len(rows), countries).

    Raises Diverged, with the advice, if they are not finite numbers.
    """
    with torch.inference_mode():
        parts = [forward(batch.images).float() for batch in images.batches(rows, batch_size)]
    logits = torch.cat(parts).cpu().numpy()
    require_finite(logits, "The network's outputs", advice)
    return logits


def evaluate(
    network: nn.Module,
    split_data: SplitData,
    recipe: AnyRecipe,
    *,
    protocol: str | None = None,
    calibration: Calibration | None = None,
) -> Report:
    """Evaluate a network on the test set, with single and fused views.

    protocol names the split if it is not the recipe's. Without a calibration, one is fitted on val.
    """
    on_device(network, split_data.images.device).eval()
    rows = split_data.split.test
    log_probabilities = log_softmax(predict_logits(network, split_data.images, rows))
    if calibration is None:
        calibration = _fitted(network, split_data)
    location_ids = split_data.index.location_ids[rows]
    predictions = Predictions(
        log_probabilities,
        lambda views: fuse_views(log_probabilities, location_ids, views=views),
        calibration,
    )
    subject = Subject(
        recipe_name=recipe.name,
        network=recipe.network,
        image_size=recipe.image_size,
        protocol=protocol or recipe.split.protocol.value,
        apart_km=recipe.split.spec.apart_km,
        faults=recipe.fault_names,
    )
    hits = is_top(log_probabilities, split_data.labels[rows], 1)
    averaged = {"mean_of_batches": _as_the_study_averaged(hits, recipe)}
    return report_on(subject, split_data, predictions).model_copy(update=averaged)


@dataclass(frozen=True)
class Subject:
    """Names and settings of the model under test, as its report shows them."""

    recipe_name: str
    network: str
    image_size: int
    protocol: str
    apart_km: float
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Predictions for the test views: each view alone, and the first N views of each location.

    The calibration, if there is one, applies to averaged log-probabilities.
    """

    single: LogProbabilities
    fused: Callable[[int], FusedViews]
    calibration: Calibration = ()


def report_on(subject: Subject, views: LabelledSplit, predictions: Predictions) -> Report:
    """Build the report on a model's predictions for the test set. Raises Diverged."""
    require_finite(predictions.single, "The model's predictions")
    rows = views.split.test
    single, labels, index = predictions.single, views.labels[rows], subset(views.index, rows)
    leaks = find_leaks(views.index, views.split, buffer_km=subject.apart_km)
    centres = country_centres(tuple(country.country_code for country in views.countries))
    named = single.argmax(axis=1)
    confusion = confusion_matrix(labels, named, len(views.countries))
    return Report(
        dataset=views.dataset,
        manifest_digest=views.manifest_digest,
        recipe_name=subject.recipe_name,
        network=subject.network,
        image_size=subject.image_size,
        protocol=subject.protocol,
        leaks=count_leaks(leaks),
        leaking_pairs=name_pairs(views.index, leaks),
        countries=views.countries,
        parts=_parts(views),
        metrics=_metrics(single, labels, index, centres),
        fused=_fused(predictions, labels, index, centres),
        calibration=predictions.calibration,
        certainty=measure_certainty(single, labels, index.location_ids, predictions.calibration),
        baselines=_baselines(views),
        per_country=_per_country(views, labels, named, confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        faults=subject.faults,
        untested=tuple(_untested(views)),
        without_position=_without_position(views, subject),
        places=views.index.places,
    )


def accuracies(
    log_probabilities: LogProbabilities, labels: Rows, location_ids: Strings
) -> dict[str, Interval]:
    """Return top-1 accuracy, top-5 accuracy (with more than five countries) and macro recall."""
    hits = is_top(log_probabilities, labels, 1)
    found = {"top1_accuracy": bootstrap_interval(hits, location_ids)}
    if log_probabilities.shape[1] > TOP:
        top5 = is_top(log_probabilities, labels, TOP)
        found["top5_accuracy"] = bootstrap_interval(top5, location_ids)
    found["macro_recall"] = macro_recall_interval(hits, labels, location_ids)
    return found


def _as_the_study_averaged(hits: NDArray[np.bool_], recipe: AnyRecipe) -> float | None:
    """Average the accuracy over batches in random order, as the study did."""
    if isinstance(recipe, HeadRecipe) or not recipe.faults.mean_of_batches:
        return None
    shuffled = np.random.default_rng(recipe.seed).permutation(hits)
    return mean_of_batches(shuffled, recipe.batch_size)


def _fitted(network: nn.Module, split_data: SplitData) -> Calibration:
    """Fit the calibration on val; empty without val."""
    rows = split_data.split.val
    if not len(rows):
        return ()
    log_probabilities = log_softmax(predict_logits(network, split_data.images, rows))
    location_ids = split_data.index.location_ids[rows]
    return fit_calibration(log_probabilities, split_data.labels[rows], location_ids)


def _metrics(
    log_probabilities: LogProbabilities, labels: Rows, index: ViewIndex, centres: Floats
) -> dict[str, Interval]:
    found = accuracies(log_probabilities, labels, index.location_ids)
    return found | distance_metrics(log_probabilities.argmax(axis=1), index, centres)


def _fused(
    predictions: Predictions, labels: Rows, index: ViewIndex, centres: Floats
) -> tuple[FusedAccuracy, ...]:
    """Return metrics over locations by number of views, and the gain over single views."""
    _, location, counts = np.unique(index.location_ids, return_inverse=True, return_counts=True)
    single = np.bincount(location, is_top(predictions.single, labels, 1)) / counts
    curve = []
    for views in range(1, int(counts.max()) + 1):
        fused = predictions.fused(views)
        truth = labels[fused.first_rows]
        places = subset(index, fused.first_rows)
        hits = is_top(fused.log_probabilities, truth, 1)
        curve.append(
            FusedAccuracy(
                views=views,
                locations=len(truth),
                metrics=_metrics(fused.log_probabilities, truth, places, centres),
                gain=paired_difference(hits, single, fused.location_ids),
            )
        )
    return tuple(curve)


def _parts(views: LabelledSplit) -> dict[str, PartSizes]:
    split = views.split
    parts = {"train": split.train, "val": split.val, "test": split.test, "dropped": split.dropped}
    return {
        name: PartSizes(images=len(rows), locations=len(np.unique(views.index.location_ids[rows])))
        for name, rows in parts.items()
    }


def _baselines(views: LabelledSplit) -> Baselines:
    trained, tested = views.labels[views.split.train], views.labels[views.split.test]
    most_common = np.bincount(trained if len(trained) else tested).argmax()
    return Baselines(
        chance=1 / len(views.countries),
        majority=float(np.mean(tested == most_common)),
        majority_country=views.countries[most_common].country_code,
    )


def _untested(views: LabelledSplit) -> Iterator[UntestedCountry]:
    """Yield the countries that no test view shows, with the split's reason if it has one."""
    reasons = {one.country_code: one for one in views.split.untested}
    tested = np.unique(views.labels[views.split.test])
    for label, country in enumerate(views.countries):
        if label not in tested:
            code = country.country_code
            places = len(np.unique(views.index.location_ids[views.labels == label]))
            other = UntestedCountry(country_code=code, locations=places, reason=NOT_IN_TEST)
            yield reasons.get(code, other)


def _without_position(views: LabelledSplit, subject: Subject) -> int:
    """Count the places that a split which keeps a distance could not keep apart."""
    if not (subject.apart_km or subject.protocol == SplitProtocol.SPATIAL):
        return 0
    rows = np.concatenate([views.split.train, views.split.val, views.split.test])
    lost = rows[np.isnan(views.index.lats[rows])]
    return len(np.unique(views.index.location_ids[lost]))


def _per_country(
    views: LabelledSplit, labels: Rows, named: Rows, confusion: NDArray[np.int64]
) -> tuple[CountryAccuracy, ...]:
    ids = views.index.location_ids[views.split.test]
    return tuple(
        CountryAccuracy(
            country_code=country.country_code,
            images=score.support,
            predicted=score.predicted,
            recall=score.recall,
            precision=score.precision,
            locations=len(np.unique(ids[labels == label])),
            predicted_locations=len(np.unique(ids[named == label])),
        )
        for label, (country, score) in enumerate(
            zip(views.countries, country_table(confusion), strict=True)
        )
    )
