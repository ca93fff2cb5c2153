"""Heads on features: pooling, selection and report."""

import numpy as np
import pytest

from services.trainer.dataset.view_index import Floats
from services.trainer.heads.experiment import measure_head
from services.trainer.heads.heads import Head, TrainingFeatures, fit_heads
from services.trainer.heads.recipe import HeadOptions, HeadRecipe, Pooling, parse_head_recipe
from services.trainer.heads.selection import EmbeddedViews, choose_head
from services.trainer.heads.view_sets import NO_VIEW, first_view_sets, random_view_sets
from services.trainer.loading.split_data import LabelledSplit
from tests.support.tiny_training import COUNTRIES, tiny_recipe, tiny_split_data

LOCATIONS, VIEWS = 24, 3
EVERY_POOLING = pytest.mark.parametrize("pooling", list(Pooling))


def views() -> LabelledSplit:
    return tiny_split_data(tiny_recipe(), LOCATIONS)


def noisy_features(noise: float = 1.5, width: int = 6) -> Floats:
    """Features that lean towards the country of their place."""
    labels = views().labels
    rng = np.random.default_rng(2)
    return np.eye(width)[labels] + rng.normal(0, noise, (len(labels), width))


def options(pooling: Pooling, *values: float) -> HeadOptions:
    return HeadOptions(pooling=pooling, regularisation=values or (1.0,), folds=3)


def fitted(pooling: Pooling) -> Head:
    given = views()
    features = noisy_features()
    training = TrainingFeatures(features, given.labels, given.index.location_ids, len(COUNTRIES))
    (head,) = fit_heads(training, options(pooling), seed=0)
    return head


@EVERY_POOLING
def test_the_order_of_views_does_not_change_a_prediction(pooling: Pooling) -> None:
    head, ids, features = fitted(pooling), views().index.location_ids, noisy_features()
    order = np.random.default_rng(0).permutation(len(ids))
    one = head.fused(features, ids, views=VIEWS)
    other = head.fused(features[order], ids[order], views=VIEWS)
    assert one.location_ids.tolist() == other.location_ids.tolist()
    np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=1e-9)


@EVERY_POOLING
def test_fusing_one_view_gives_its_single_prediction(pooling: Pooling) -> None:
    head, ids, features = fitted(pooling), views().index.location_ids, noisy_features()
    fused = head.fused(features, ids, views=1)
    single = head.single(features)[fused.first_rows]
    np.testing.assert_allclose(fused.log_probabilities, single, atol=1e-9)


@EVERY_POOLING
def test_the_same_training_data_gives_the_same_head(pooling: Pooling) -> None:
    one, other = (fitted(pooling).single(noisy_features()) for _ in range(2))
    assert one.tobytes() == other.tobytes()


@EVERY_POOLING
def test_more_views_of_a_place_raise_the_accuracy(pooling: Pooling) -> None:
    embedded = EmbeddedViews(views(), (noisy_features(noise=0.8),))
    recipe = head_recipe(pooling)
    chosen = choose_head(embedded, recipe.head, recipe.seed)
    report = measure_head(recipe, embedded, chosen).report
    assert [fused.views for fused in report.fused] == [1, 2, 3]
    last = report.fused[-1]
    assert last.gain is not None
    assert last.gain.value > 0
    gained = last.metrics["top1_accuracy"].value - report.metrics["top1_accuracy"].value
    assert last.gain.value == pytest.approx(gained)  # every place has the same number of views
    assert bool(report.calibration) is (pooling is Pooling.LOG_PROBABILITIES)


def test_noise_selects_a_strong_penalty_and_signal_a_weak_one() -> None:
    chosen = [
        choose_head(
            EmbeddedViews(views(), (noisy_features(noise=noise, width=40),)),
            options(Pooling.LOG_PROBABILITIES, 0.001, 10.0),
            seed=0,
        ).score.regularisation
        for noise in (30.0, 0.05)
    ]
    assert chosen == [0.001, 10.0]


def test_neither_the_selection_nor_the_head_depends_on_the_test_set() -> None:
    features = noisy_features()
    spoilt = features.copy()
    spoilt[views().split.test] = 1e6
    one, other = (
        choose_head(EmbeddedViews(views(), (block,)), options(Pooling.MEAN_EMBEDDING, 0.1, 1.0), 0)
        for block in (features, spoilt)
    )
    assert one.score == other.score
    rows = views().split.train
    answers = [chosen.head.single(chosen.features((features,), rows)) for chosen in (one, other)]
    np.testing.assert_array_equal(answers[0], answers[1])


def test_cross_validation_holds_out_each_train_and_val_place_once() -> None:
    given = views()
    chosen = choose_head(
        EmbeddedViews(given, (noisy_features(),)), options(Pooling.LOG_PROBABILITIES), seed=0
    )
    learnt = np.concatenate([given.split.train, given.split.val])
    assert sorted(chosen.held_out.tolist()) == sorted(learnt.tolist())


def test_view_sets_contain_the_first_or_random_views_of_one_place() -> None:
    ids = np.array(["b", "a", "b", "b"])
    first = first_view_sets(ids, 2)
    assert first.location_ids.tolist() == ["a", "b"]
    assert first.members.tolist() == [[1, NO_VIEW], [0, 2]]
    np.testing.assert_array_equal(first.means(np.array([[0.0], [1.0], [4.0], [9.0]])), [[1], [2]])
    rng = np.random.default_rng(0)
    drawn = {tuple(random_view_sets(ids, rng).members[1].tolist()) for _ in range(200)}
    assert {tuple(sorted(set(row) - {NO_VIEW})) for row in drawn} == {
        *((0,), (2,), (3,)),
        *((0, 2), (0, 3), (2, 3)),
        (0, 2, 3),
    }


def head_recipe(pooling: Pooling) -> HeadRecipe:
    table = {"network": "smallnet", "image_size": 32}
    head = {"pooling": pooling.value, "regularisation": [1.0], "folds": 3}
    return parse_head_recipe({"name": "tiny", "backbones": [table], "head": head})
