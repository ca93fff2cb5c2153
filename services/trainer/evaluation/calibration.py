"""Temperature scaling and calibration errors. Log-probabilities are (N, C), labels are (N,)."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from euguess.training.report import ReliabilityBin
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.evaluation.metrics import LogProbabilities

CALIBRATION_BINS = 15  # Guo et al., On Calibration of Modern Neural Networks, 2017
HIGHEST_TEMPERATURE = 100.0  # at which all countries are almost equally likely
PRIOR_SAMPLES = 1.0


def fit_temperature(
    log_probabilities: LogProbabilities, labels: Rows, *, prior_samples: float = PRIOR_SAMPLES
) -> float:
    """Return the temperature with the lowest NLL of the labels (Guo et al., 2017, section 4.2).

    The NLL is convex in the inverse temperature. prior_samples are extra samples with equally
    likely labels: without them, a network that is right about every sample would get temperature 0
    and be certain of everything. With one, a network that is right about all of 6 samples claims
    about 6 / 7. Platt (Probabilistic Outputs for Support Vector Machines, 1999, section 2.2)
    smooths targets for the same reason.
    """
    own = log_probabilities[np.arange(len(labels)), labels]
    middle = log_probabilities.mean(axis=1)
    prior = prior_samples / len(labels)

    def loss(inverse_temperature: float) -> float:
        scaled = inverse_temperature * log_probabilities
        nats = logsumexp(scaled, axis=1)
        of_labels = nats - inverse_temperature * own
        of_prior = nats - inverse_temperature * middle
        return float(of_labels.mean() + prior * of_prior.mean())

    bounds = (1 / HIGHEST_TEMPERATURE, HIGHEST_TEMPERATURE)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return 1 / float(found.x)


def brier_scores(log_probabilities: LogProbabilities, labels: Rows) -> Floats:
    """Return the squared distance of the probabilities from the truth, 0 to 2, per sample.

    Brier, Verification of Forecasts Expressed in Terms of Probability, 1950; its mean is the score.
    """
    probabilities = np.exp(log_probabilities)
    own = probabilities[np.arange(len(labels)), labels]
    return np.asarray((probabilities**2).sum(axis=1) - 2 * own + 1)


def reliability(
    log_probabilities: LogProbabilities, labels: Rows, *, bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """Return the non-empty bins of a reliability diagram; bins have equal width."""
    confidence = np.exp(log_probabilities.max(axis=1))
    is_right = log_probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return tuple(
        ReliabilityBin(
            low=int(number) / bins,
            high=(int(number) + 1) / bins,
            samples=int(np.sum(bin_of == number)),
            confidence=float(confidence[bin_of == number].mean()),
            accuracy=float(is_right[bin_of == number].mean()),
        )
        for number in np.unique(bin_of)
    )


def expected_calibration_error(
    log_probabilities: LogProbabilities, labels: Rows, *, bins: int = CALIBRATION_BINS
) -> float:
    """Return the mean |accuracy - confidence| over equal-width bins, weighted by bin size.

    It has no bootstrap interval: absolute values make resampled errors larger on average than
    the error itself.
    """
    filled = reliability(log_probabilities, labels, bins=bins)
    gaps = sum(row.samples * abs(row.accuracy - row.confidence) for row in filled)
    return gaps / len(labels)
