"""Learning rate schedules and weight averages."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from services.trainer.training.learner import WeightAverage, new_learner
from tests.support.tiny_training import CPU, tiny_recipe


def test_the_rate_rises_linearly_and_falls_along_half_a_cosine() -> None:
    recipe = tiny_recipe(
        "epochs=6",
        "optimizer.learning_rate=1.0",
        "schedule.name=cosine",
        "schedule.warmup_epochs=2",
        "schedule.eta_min=0.2",
    )
    learner = new_learner(recipe, 3, CPU)
    rates = []
    for moment in (0.0, 1.0, 2.0, 4.0, 6.0):
        learner.schedule(moment)
        rates.append(learner.learning_rate)
    assert rates == pytest.approx([0.01, 0.505, 1.0, 0.6, 0.2])


def test_a_schedule_keeps_the_ratio_between_depths() -> None:
    recipe = tiny_recipe("schedule.name=cosine", "fine_tuning.layer_decay=0.5")
    learner = new_learner(recipe, 3, CPU)
    learner.schedule(1.5)
    rates = [group["lr"] for group in learner.optimizer.param_groups]
    assert rates == pytest.approx([learner.learning_rate / 2**height for height in (3, 2, 1, 0)])


def test_an_average_follows_the_weights_quickly_at_first_and_slowly_later() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, decay=0.5)
    nn.init.ones_(network.weight)
    seen = []
    for _ in range(9):
        average.update(network)
        seen.append(float(average.network.state_dict()["weight"]))
    missing = [1.0, *(1 - value for value in seen)]
    decays = [after / before for before, after in pairwise(missing)]
    assert decays == pytest.approx(
        [1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5], rel=1e-3
    )


def test_an_average_includes_batch_statistics_and_their_counter() -> None:
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, decay=0.9)
    network(torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) + 5)
    average.update(network)
    ours, theirs = average.network.state_dict(), network.state_dict()
    assert ours["num_batches_tracked"] == 1
    assert ours["running_mean"].tolist() == pytest.approx((0.9 * theirs["running_mean"]).tolist())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
