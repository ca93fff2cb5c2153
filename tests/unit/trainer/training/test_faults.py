"""The study's faults: each changes what it describes, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from euguess.errors import InvalidRecipe
from euguess.training.recipes.recipe import Recipe
from euguess.training.recipes.sections import Faults
from services.networks import IMAGENET_CLASSES, build_network, cut_head
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.evaluation.metrics import mean_of_batches
from services.trainer.loading.batches import Batch, DeviceImages
from services.trainer.training.driver import new_training
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import TrainingState, train
from services.trainer.training.losses import make_criterion
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data

MIDDLE = "features.1."  # the first batch normalisation of smallnet


def trained(recipe: Recipe) -> tuple[Learner, TrainingState]:
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    split_data = tiny_split_data(recipe)
    start = TrainingState()
    state = train(
        recipe, learner, split_data, start=start, after_epoch=lambda _: None, tick=lambda _: None
    )
    return learner, state


class Watched(DeviceImages):
    """Images that record the mean pixel of every image in training order."""

    def __init__(self, images: DeviceImages) -> None:
        self.__dict__.update(images.__dict__)
        self.seen: list[list[float]] = []

    def training_batches(self, *args: object, **kwargs: object) -> Iterator[Batch]:
        epoch = []
        for batch in super().training_batches(*args, **kwargs):  # type: ignore[arg-type] # passed on
            epoch += batch.images.mean(dim=(1, 2, 3)).tolist()
            yield batch
        self.seen.append(epoch)


def orders(recipe: Recipe) -> list[list[float]]:
    """Train, and return the mean pixel of each image in training order, by epoch."""
    split_data = tiny_split_data(recipe)
    images = Watched(split_data.images)
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    train(
        recipe,
        learner,
        replace(split_data, images=images),
        start=TrainingState(),
        after_epoch=lambda _: None,
        tick=lambda _: None,
    )
    return images.seen


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return all(torch.equal(ours[name], theirs[name]) for name in ours.keys() | theirs.keys())


def test_no_fault_is_on_by_default() -> None:
    assert tiny_recipe().faults.names == ()
    every = Faults.model_validate(dict.fromkeys(Faults.model_fields, True))
    assert every.names == tuple(Faults.model_fields)


def test_in_evaluation_mode_weights_train_but_batch_statistics_stay() -> None:
    recipe = tiny_recipe("epochs=1", "faults.eval_mode_while_training=true")
    before = new_learner(recipe, len(COUNTRIES), CPU).network.state_dict()
    frozen = trained(recipe)[1].best_weights
    usual = trained(tiny_recipe("epochs=1"))[1].best_weights
    for name in ("running_mean", "running_var"):
        assert torch.equal(frozen[MIDDLE + name], before[MIDDLE + name])
        assert not torch.equal(usual[MIDDLE + name], before[MIDDLE + name])
    assert not torch.equal(frozen[MIDDLE + "weight"], before[MIDDLE + "weight"])


def test_in_evaluation_mode_dropout_is_off() -> None:
    recipe = tiny_recipe("epochs=1", "faults.eval_mode_while_training=true")
    learner, _ = trained(recipe)
    assert not learner.network.training


def test_without_shuffling_all_epochs_use_the_same_random_order() -> None:
    first, second, third = orders(tiny_recipe("faults.no_shuffling=true"))
    assert first == second == third
    assert first != sorted(first)
    shuffled = orders(tiny_recipe())
    assert shuffled[0] != shuffled[1]
    assert sorted(shuffled[0]) == pytest.approx(sorted(first))
    assert shuffled[0] == first  # the order of the first epoch is the usual one


def test_the_loss_covers_all_outputs_of_an_imagenet_head() -> None:
    recipe = tiny_recipe("faults.keeps_imagenet_head=true")
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    split_data = tiny_split_data(recipe)
    rows = split_data.split.train[:8]
    (batch,) = split_data.images.batches(rows, 8)
    logits = learner.network.eval()(batch.images)
    assert logits.shape == (8, IMAGENET_CLASSES)
    own = logits[torch.arange(8), batch.labels]
    expected = (logits.logsumexp(dim=1) - own).sum()
    loss = learner.learn(batch, make_criterion(recipe, split_data)).loss
    torch.testing.assert_close(loss, expected.detach())


def test_losses_over_countries_only_are_refused_with_an_imagenet_head() -> None:
    for option in ("balance.logit_adjustment=1", "smoothing.by=distance"):
        with pytest.raises(InvalidRecipe, match="keeps_imagenet_head"):
            tiny_recipe("faults.keeps_imagenet_head=true", option)


def test_cutting_an_imagenet_head_keeps_the_countries_logits() -> None:
    for name in ("smallnet", "squeezenet1_1"):
        network = build_network(name, IMAGENET_CLASSES).eval()
        images = torch.randn(2, 3, 64, 64)
        with torch.inference_mode():
            before = network(images)
            cut_head(network, 3)
            torch.testing.assert_close(network(images), before[:, :3])


def test_a_network_with_an_imagenet_head_still_learns_the_countries() -> None:
    recipe = tiny_recipe("epochs=8", "faults.keeps_imagenet_head=true")
    _, state = trained(recipe)
    assert state.best.val_accuracy > 0.8


def test_without_validation_val_is_trained_on_and_the_last_epoch_is_kept() -> None:
    recipe = tiny_recipe("faults.no_validation=true")
    usual, faulty = (tiny_split_data(r).split for r in (tiny_recipe(), recipe))
    assert len(usual.val) > 0
    assert len(faulty.val) == 0
    assert np.array_equal(faulty.test, usual.test)
    assert np.array_equal(faulty.train, np.union1d(usual.train, usual.val))
    assert trained(recipe)[1].best.epoch == recipe.epochs - 1


def test_the_mean_of_batches_counts_a_small_last_batch_as_a_full_one() -> None:
    hits = np.array([True, False, True, True, True])
    # Batches of 2: 1/2, 2/2 and 1/1, over 5 / 2 batches.
    assert mean_of_batches(hits, 2) == pytest.approx(2.5 / 2.5)
    assert mean_of_batches(hits, 2) > hits.mean()
    assert mean_of_batches(hits[:4], 2) == hits[:4].mean()
    # The study's test set: 8,555 images in batches of 1000.
    quarter = np.tile([True, False, False, False], 8556 // 4)[:8555]
    assert mean_of_batches(quarter, 1000) / quarter.mean() == pytest.approx(1.05, abs=0.003)


def test_the_misaveraged_accuracy_is_reported_beside_the_correct_one() -> None:
    faulty = tiny_recipe("faults.mean_of_batches=true", "batch_size=4")
    network = new_learner(faulty, len(COUNTRIES), CPU).network
    right, both = (
        evaluate(network, tiny_split_data(recipe), recipe)
        for recipe in (tiny_recipe("batch_size=4"), faulty)
    )
    assert right.mean_of_batches is None
    assert both.metrics == right.metrics
    assert both.mean_of_batches is not None


def test_a_report_with_faults_names_them_and_is_not_honest() -> None:
    recipe = tiny_recipe("faults.no_shuffling=true")
    network = new_learner(recipe, len(COUNTRIES), CPU).network
    report = evaluate(network, tiny_split_data(recipe), recipe)
    assert report.faults == ("no_shuffling",)
    assert not report.leaks
    assert not report.is_honest
    assert report.kind == "FAULTY"


def test_disabled_faults_do_not_change_a_single_bit() -> None:
    plain = trained(tiny_recipe("epochs=2"))[1]
    measured = trained(tiny_recipe("epochs=2", "faults.mean_of_batches=true"))[1]
    assert same(plain.best_weights, measured.best_weights)


def test_every_measurement_gets_a_network_that_names_countries_alone() -> None:
    """Runs, sweeps and real results all take their network from Training.run."""
    recipe = tiny_recipe("epochs=1", "faults.keeps_imagenet_head=true")
    split_data = tiny_split_data(recipe)
    network = new_training(recipe, split_data, CPU).run(after_epoch=lambda _: None).network
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, len(COUNTRIES))
