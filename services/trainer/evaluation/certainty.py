"""Calibration of probabilities, country sets and abstention: fitted on val, measured on test.

Fused views need their own calibration, since their mean log-probabilities are underconfident. Each
number of views has its own temperature and thresholds, fitted and measured with one row per
location, on locations that have at least that many views.

Val also selects the best epoch, and the temperature and the thresholds are fitted on the same
locations, so the guarantees are approximate. Actual coverage and accuracy are measured on test.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from euguess.images.postprocessing import (
    calibration_for,
    country_sets,
    is_answered,
    tempered,
)
from euguess.messages.serving import ViewsCalibration
from euguess.training.report import Certainty, CoveragePoint
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.abstention import (
    RiskCoverage,
    abstain_threshold,
    risk_coverage,
)
from services.trainer.evaluation.bootstrap import bootstrap_interval
from services.trainer.evaluation.calibration import (
    brier_scores,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from services.trainer.evaluation.conformal import set_threshold
from services.trainer.evaluation.metrics import (
    LogProbabilities,
    fuse_views,
    negative_log_likelihoods,
    require_finite,
)

CURVE_POINTS = 100

Calibration = tuple[ViewsCalibration, ...]  # by increasing number of views, from 1; or empty


def fit_calibration(
    log_probabilities: LogProbabilities, labels: Rows, location_ids: Strings
) -> Calibration:
    """Fit a calibration for each number of views that val locations have; one row per view.

    Raises Diverged.
    """
    require_finite(log_probabilities, "The model's predictions for val")
    every = (
        _places(log_probabilities, labels, location_ids, views)
        for views in range(1, _most_views(location_ids) + 1)
    )
    return tuple(_fitted(places) for places in every)


def measure_certainty(
    log_probabilities: LogProbabilities,
    labels: Rows,
    location_ids: Strings,
    calibration: Calibration,
) -> tuple[Certainty, ...]:
    """Measure a calibration on test, by number of views; one row per view.

    The result is empty without a calibration. Raises Diverged.
    """
    require_finite(log_probabilities, "The model's predictions")
    if not calibration:
        return ()
    return tuple(
        _measured(
            _places(log_probabilities, labels, location_ids, views),
            calibration_for(calibration, views),
        )
        for views in range(1, _most_views(location_ids) + 1)
    )


@dataclass(frozen=True)
class _Places:
    """One row per location, fused from its first `views` views."""

    views: int
    log_probabilities: LogProbabilities
    labels: Rows
    location_ids: Strings

    def __len__(self) -> int:
        return len(self.labels)


def _most_views(location_ids: Strings) -> int:
    return int(np.unique(location_ids, return_counts=True)[1].max())


def _places(
    log_probabilities: LogProbabilities, labels: Rows, location_ids: Strings, views: int
) -> _Places:
    """Fuse the first `views` views of the locations that have that many."""
    _, location, counts = np.unique(location_ids, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[location] >= views)
    fused = fuse_views(log_probabilities[rows], location_ids[rows], views=views)
    truth = labels[rows][fused.first_rows]
    return _Places(views, fused.log_probabilities, truth, fused.location_ids)


def _fitted(places: _Places) -> ViewsCalibration:
    temperature = fit_temperature(places.log_probabilities, places.labels)
    log_probabilities = tempered(places.log_probabilities, temperature)
    confidence, hits = _answers(log_probabilities, places.labels)
    return ViewsCalibration(
        views=places.views,
        locations=len(places),
        temperature=temperature,
        set_threshold=set_threshold(log_probabilities, places.labels),
        abstain_threshold=abstain_threshold(confidence, hits),
    )


def _measured(places: _Places, used: ViewsCalibration) -> Certainty:
    labels, ids, raw = places.labels, places.location_ids, places.log_probabilities
    log_probabilities = tempered(raw, used.temperature)
    confidence, hits = _answers(log_probabilities, labels)
    sets = country_sets(np.exp(log_probabilities), used.set_threshold)
    answered = is_answered(confidence, used.abstain_threshold)
    right = bootstrap_interval(hits[answered], ids[answered]) if answered.any() else None
    curve = risk_coverage(confidence, hits)
    return Certainty(
        views=places.views,
        locations=len(places),
        calibration=used,
        nll=bootstrap_interval(negative_log_likelihoods(log_probabilities, labels), ids),
        brier=bootstrap_interval(brier_scores(log_probabilities, labels), ids),
        ece=expected_calibration_error(log_probabilities, labels),
        uncalibrated_nll=bootstrap_interval(negative_log_likelihoods(raw, labels), ids),
        uncalibrated_ece=expected_calibration_error(raw, labels),
        reliability=reliability(log_probabilities, labels),
        set_coverage=bootstrap_interval(sets[np.arange(len(labels)), labels], ids),
        set_size=bootstrap_interval(sets.sum(axis=1), ids),
        answered=bootstrap_interval(answered, ids),
        answered_accuracy=right,
        risk_coverage_area=curve.area,
        risk_coverage=_points(curve.thinned(CURVE_POINTS)),
    )


def _answers(log_probabilities: LogProbabilities, labels: Rows) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the probability of the predicted country, and whether it is the true one."""
    confidence = np.exp(log_probabilities.max(axis=1))
    return confidence, np.asarray(log_probabilities.argmax(axis=1) == labels)


def _points(curve: RiskCoverage) -> tuple[CoveragePoint, ...]:
    columns = (curve.confidence.tolist(), curve.coverage.tolist(), curve.accuracy.tolist())
    return tuple(
        CoveragePoint(confidence=confidence, coverage=coverage, accuracy=accuracy)
        for confidence, coverage, accuracy in zip(*columns, strict=True)
    )
