"""Training losses: smoothed labels, mixed labels, rare countries."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from euguess.training.recipes.recipe import Recipe
from services.trainer.evaluation.distances import country_centres
from services.trainer.loading.batches import Batch, draw_rows
from services.trainer.loading.split_data import SplitData
from services.trainer.splits.splits import Split
from services.trainer.training.losses import Criterion, distance_targets, make_criterion
from tests.support.tiny_training import tiny_recipe, tiny_split_data

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
LABELS = torch.tensor([0, 2])


def batch(partners: torch.Tensor | None = None, share: float = 1.0) -> Batch:
    return Batch(torch.empty(2, 3, 1, 1), LABELS, partners, share)


def test_the_plain_loss_is_the_smoothed_cross_entropy() -> None:
    expected = cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    assert Criterion(label_smoothing=0.1)(LOGITS, batch()) == expected


def test_the_loss_of_mixed_images_is_the_loss_of_mixed_labels() -> None:
    partners = torch.tensor([1, 0])
    targets = torch.tensor([[0.7, 0.3, 0.0], [0.3, 0.0, 0.7]])
    expected = -(targets * log_softmax(LOGITS, dim=1)).sum(dim=1).mean()
    found = Criterion()(LOGITS, batch(partners, 0.7))
    assert found.item() == pytest.approx(expected.item())


def test_smoothing_by_distance_prefers_neighbours() -> None:
    codes = ("PT", "ES", "FR", "FI")
    targets = distance_targets(country_centres(codes), smoothing=0.2, scale_km=500)
    assert targets.sum(axis=1) == pytest.approx([1, 1, 1, 1])
    assert np.diag(targets) == pytest.approx([0.8] * 4)
    portugal = targets[0]
    assert portugal[1] > 2 * portugal[2] > 4 * portugal[3] > 0


def test_smoothing_by_a_short_distance_favours_only_the_nearest_country() -> None:
    targets = distance_targets(country_centres(("PT", "ES", "FI")), smoothing=0.1, scale_km=1)
    assert targets[0] == pytest.approx([0.9, 0.1, 0])
    assert np.isfinite(targets).all()


def test_smoothing_by_distance_is_used_if_the_recipe_sets_it() -> None:
    recipe = tiny_recipe("label_smoothing=0.2", "smoothing.by=distance")
    targets = make_criterion(recipe, tiny_split_data(recipe)).targets
    assert targets is not None
    loss = Criterion(targets=targets)(LOGITS, batch())
    expected = -(targets[LABELS] * log_softmax(LOGITS, dim=1)).sum(dim=1).mean()
    assert loss.item() == pytest.approx(expected.item())


def unbalanced(recipe: Recipe) -> SplitData:
    """24 training photos of the first country, 6 of the second and 3 of the third."""
    split_data = tiny_split_data(recipe, locations=36)
    rows = [np.flatnonzero(split_data.labels == label) for label in range(3)]
    train = np.concatenate([rows[0][:24], rows[1][:6], rows[2][:3]])
    nothing = np.array([], dtype=np.int64)
    return dataclasses.replace(split_data, split=Split(train, nothing, nothing, nothing))


def test_logits_are_adjusted_by_the_frequencies_in_training() -> None:
    recipe = tiny_recipe("balance.logit_adjustment=1")
    criterion = make_criterion(recipe, unbalanced(recipe))
    assert criterion.margins is not None
    assert criterion.margins.exp().tolist() == pytest.approx([24 / 33, 6 / 33, 3 / 33])
    adjusted = cross_entropy(LOGITS + criterion.margins, LABELS)
    assert criterion(LOGITS, batch()) == adjusted


def test_after_balanced_sampling_there_is_nothing_to_adjust() -> None:
    recipe = tiny_recipe("balance.logit_adjustment=1", "balance.sampling=1")
    criterion = make_criterion(recipe, unbalanced(recipe))
    assert criterion.margins is not None
    assert criterion.margins.exp().tolist() == pytest.approx([1 / 3] * 3)


def test_balanced_sampling_draws_countries_equally_often() -> None:
    labels = np.repeat([0, 1, 2], [9000, 900, 100])
    rows = np.arange(10_000)[::-1]
    drawn = draw_rows(rows, labels, 1.0, seed=3)
    assert len(drawn) == len(rows)
    countries = np.bincount(labels[::-1][drawn])
    assert countries == pytest.approx([3333] * 3, rel=0.05)
    by_root = np.bincount(labels[::-1][draw_rows(rows, labels, 0.5, seed=3)])
    assert countries[0] < by_root[0] < 9000


def test_sampling_depends_only_on_the_seed_and_is_off_by_default() -> None:
    labels, rows = np.repeat([0, 1], [90, 10]), np.arange(100)
    assert draw_rows(rows, labels, 1.0, 3).tolist() == draw_rows(rows, labels, 1.0, 3).tolist()
    assert draw_rows(rows, labels, 1.0, 3).tolist() != draw_rows(rows, labels, 1.0, 4).tolist()
    assert draw_rows(rows, labels, 0.0, 3) is rows
