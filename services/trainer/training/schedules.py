"""Learning rate schedules over fractional epochs."""

import math
from typing import Protocol

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from euguess.training.recipes.recipe import Recipe

WARMUP_START = 0.01  # of the full rate, as in torchvision's reference trainings


class LearningRates(Protocol):
    """Sets the learning rates of an optimiser's parameter groups."""

    def step(self, epoch: float) -> None: ...


class WarmCosine:
    """Linear warm-up to the groups' own rates, then half a cosine down to the lowest rate.

    The warm-up follows Goyal et al. 2017, the cosine Loshchilov and Hutter 2017. The rate is a
    pure function of the epoch, so checkpoints need no schedule state.
    """

    def __init__(
        self, optimizer: Optimizer, epochs: int, warmup_epochs: float, lowest_share: float
    ) -> None:
        self._optimizer = optimizer
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._epochs, self._warmup_epochs = epochs, warmup_epochs
        self._lowest_share = lowest_share

    def step(self, epoch: float) -> None:
        share = self.share(epoch)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share

    def share(self, epoch: float) -> float:
        """Return the share of the full rate at an epoch."""
        if epoch < self._warmup_epochs:
            return WARMUP_START + (1 - WARMUP_START) * epoch / self._warmup_epochs
        done = (epoch - self._warmup_epochs) / (self._epochs - self._warmup_epochs)
        cosine = (1 + math.cos(math.pi * min(1.0, done))) / 2
        return self._lowest_share + (1 - self._lowest_share) * cosine


def make_schedule(optimizer: Optimizer, recipe: Recipe) -> LearningRates | None:
    """Build the recipe's schedule for a new optimiser; None if the rate is constant."""
    schedule = recipe.schedule
    if schedule.name == "none":
        return None
    if schedule.name == "cosine":
        lowest_share = schedule.eta_min / recipe.optimizer.learning_rate
        return WarmCosine(optimizer, recipe.epochs, schedule.warmup_epochs, lowest_share)
    return CosineAnnealingWarmRestarts(optimizer, schedule.t_0, schedule.t_mult, schedule.eta_min)
