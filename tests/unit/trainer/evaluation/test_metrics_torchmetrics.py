"""Metrics agree with torchmetrics on random inputs."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification as reference

from euguess.images.postprocessing import log_softmax
from services.trainer.evaluation.calibration import CALIBRATION_BINS, expected_calibration_error
from services.trainer.evaluation.metrics import (
    confusion_matrix,
    country_table,
    is_top,
    macro_recall,
)

COUNTRIES = 7
OPTIONS: dict[str, Any] = {"num_classes": COUNTRIES}
inputs = given(seed=st.integers(0, 10_000), count=st.integers(1, 200), skill=st.floats(0, 3))


def sample(seed: int, count: int, skill: float) -> tuple[Any, Any]:
    """Log-probabilities (count, COUNTRIES) and labels; some countries may have no samples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(COUNTRIES, size=count)
    logits = rng.normal(size=(count, COUNTRIES))
    logits[np.arange(count), labels] += skill
    return log_softmax(logits), labels


def tensors(log_probabilities: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.exp(log_probabilities)), torch.from_numpy(labels)


@inputs
@settings(max_examples=25, deadline=None)
def test_top_1_and_top_5_accuracy_agree(seed: int, count: int, skill: float) -> None:
    outputs = sample(seed, count, skill)
    for k in (1, 5):
        theirs = reference.multiclass_accuracy(
            *tensors(*outputs), **OPTIONS, average="micro", top_k=k
        )
        assert is_top(*outputs, k).mean() == pytest.approx(float(theirs))


@inputs
@settings(max_examples=25, deadline=None)
def test_confusion_matrix_recall_and_precision_agree(seed: int, count: int, skill: float) -> None:
    outputs = sample(seed, count, skill)
    confusion = confusion_matrix(outputs[1], outputs[0].argmax(axis=1), COUNTRIES)
    theirs = reference.multiclass_confusion_matrix(*tensors(*outputs), **OPTIONS)
    assert np.array_equal(confusion, theirs.numpy())
    table = country_table(confusion)
    for name, of in (
        ("recall", reference.multiclass_recall),
        ("precision", reference.multiclass_precision),
        ("f1", reference.multiclass_f1_score),
    ):
        expected = of(*tensors(*outputs), **OPTIONS, average=None).tolist()
        assert [getattr(row, name) for row in table] == pytest.approx(expected)


@inputs
@settings(max_examples=25, deadline=None)
def test_macro_recall_of_the_countries_with_samples_agrees(
    seed: int, count: int, skill: float
) -> None:
    outputs = sample(seed, count, skill)
    each = reference.multiclass_recall(*tensors(*outputs), **OPTIONS, average=None)
    confusion = confusion_matrix(outputs[1], outputs[0].argmax(axis=1), COUNTRIES)
    expected = each[np.unique(outputs[1])].mean()
    assert macro_recall(confusion) == pytest.approx(float(expected))


@inputs
@settings(max_examples=25, deadline=None)
def test_expected_calibration_error_agrees(seed: int, count: int, skill: float) -> None:
    outputs = sample(seed, count, skill)
    theirs = reference.multiclass_calibration_error(
        *tensors(*outputs), **OPTIONS, n_bins=CALIBRATION_BINS, norm="l1"
    )
    assert expected_calibration_error(*outputs) == pytest.approx(float(theirs), abs=1e-6)
