"""Heads on features: selection and report."""

import io

import numpy as np
import pytest
from rich.console import Console

from euguess.training.recipes.head_recipe import HeadOptions, HeadRecipe, validated_head
from services.trainer.dataset.view_index import Floats
from services.trainer.errors import Diverged
from services.trainer.heads.experiment import measure_head
from services.trainer.heads.heads import TrainingFeatures, fit_heads
from services.trainer.heads.selection import EmbeddedViews, choose_head, edge_notes
from services.trainer.loading.split_data import LabelledSplit
from services.trainer.reports.tables import print_report
from tests.support.tiny_training import COUNTRIES, tiny_recipe, tiny_split_data

LOCATIONS = 24


def views() -> LabelledSplit:
    return tiny_split_data(tiny_recipe(), LOCATIONS)


def noisy_features(noise: float = 1.5, width: int = 6) -> Floats:
    """Features that lean towards the country of their place."""
    labels = views().labels
    rng = np.random.default_rng(2)
    return np.eye(width)[labels] + rng.normal(0, noise, (len(labels), width))


def options(*values: float) -> HeadOptions:
    return HeadOptions(regularisation=values or (1.0,), folds=3)


def test_the_same_training_data_gives_the_same_head() -> None:
    labels, location_ids = views().labels, views().index.location_ids
    training = TrainingFeatures(noisy_features(), labels, location_ids, len(COUNTRIES))
    one, other = (fit_heads(training, options())[0] for _ in range(2))
    assert one.weights.tobytes() == other.weights.tobytes()


def test_more_views_of_a_place_raise_the_accuracy() -> None:
    embedded = EmbeddedViews(views(), (noisy_features(noise=0.8),))
    recipe = head_recipe()
    chosen = choose_head(embedded, recipe.head, recipe.seed)
    report = measure_head(recipe, embedded, chosen).report
    assert [fused.views for fused in report.fused] == [1, 2, 3]
    last = report.fused[-1]
    assert last.gain is not None
    assert last.gain.value > 0
    gained = last.metrics["top1_accuracy"].value - report.metrics["top1_accuracy"].value
    assert last.gain.value == pytest.approx(gained)  # every place has the same number of views
    assert report.calibration


def test_noise_selects_a_strong_penalty_and_signal_a_weak_one() -> None:
    chosen = [
        choose_head(
            EmbeddedViews(views(), (noisy_features(noise=noise, width=40),)),
            options(0.001, 10.0),
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
        choose_head(EmbeddedViews(views(), (block,)), options(0.1, 1.0), 0)
        for block in (features, spoilt)
    )
    assert one.score == other.score
    rows = views().split.train
    answers = [
        chosen.head.log_probabilities(chosen.features((features,), rows)) for chosen in (one, other)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize(
    ("tried", "chosen", "is_warned"),
    [
        ((0.1, 1.0, 10.0), 10.0, True),
        ((10.0, 1.0, 0.1), 0.1, True),
        ((0.1, 1.0, 10.0), 1.0, False),
        ((1.0,), 1.0, False),
    ],
)
def test_a_choice_at_the_edge_of_the_values_tried_is_a_warning(
    tried: tuple[float, ...], chosen: float, is_warned: bool
) -> None:
    notes = edge_notes(tried, chosen)
    assert len(notes) == is_warned
    assert all(f"C = {chosen:g} is at the edge" in note for note in notes)


def test_the_warning_is_in_the_report_of_a_head_and_in_its_table() -> None:
    features, recipe = noisy_features(noise=0.05, width=40), head_recipe()
    embedded = EmbeddedViews(views(), (features,))
    chosen = choose_head(embedded, options(0.001, 0.01), seed=0)
    report = measure_head(recipe, embedded, chosen).report
    assert report.notes == chosen.notes == edge_notes((0.001, 0.01), 0.01)
    console = Console(width=300, file=io.StringIO(), record=True)
    print_report(console, report)
    assert "Note: The chosen regularisation C = 0.01 is at the edge" in console.export_text()


def test_features_that_are_not_numbers_are_an_error() -> None:
    features = noisy_features()
    features[3, 2] = np.nan
    with pytest.raises(Diverged, match=r"backbone's features .* 1 of"):
        choose_head(EmbeddedViews(views(), (features,)), options(), seed=0)


def test_cross_validation_holds_out_each_train_and_val_place_once() -> None:
    given = views()
    chosen = choose_head(EmbeddedViews(given, (noisy_features(),)), options(), seed=0)
    learnt = np.concatenate([given.split.train, given.split.val])
    assert sorted(chosen.held_out.tolist()) == sorted(learnt.tolist())


def head_recipe() -> HeadRecipe:
    table = {"network": "smallnet", "image_size": 32}
    head = {"regularisation": [1.0], "folds": 3}
    return validated_head({"name": "tiny", "backbones": [table], "head": head})
