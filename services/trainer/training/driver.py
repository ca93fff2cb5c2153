"""Drive one training run, from recipe to network; shared by runs, sweeps and results."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from euguess.training.recipes.recipe import Recipe
from services.networks import cut_head
from services.trainer.devices import on_device
from services.trainer.loading.split_data import SplitData
from services.trainer.progress import EpochResult, no_progress
from services.trainer.progress import Progress as Bar
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import AfterEpoch, TrainingState, train


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode with the weights of its best epoch, one output per country."""

    network: nn.Module
    best: EpochResult


@dataclass(frozen=True)
class Training:
    """A recipe, its training data and its network in training."""

    recipe: Recipe
    split_data: SplitData
    learner: Learner
    device: torch.device

    def run(
        self, *, start: TrainingState | None = None, after_epoch: AfterEpoch, bar: Bar = no_progress
    ) -> Trained:
        """Train from the first epoch, or from `start`, to the recipe's last epoch.

        bar is called with (images trained on so far, images in all epochs).
        """
        start = start or TrainingState()
        state = train(
            self.recipe,
            self.learner,
            self.split_data,
            start=start,
            after_epoch=after_epoch,
            tick=self._tick(start.epochs_done, bar),
        )
        return Trained(self._tested_network(state), state.best)

    def _tick(self, epochs_done: int, bar: Bar) -> Callable[[int], None]:
        images = len(self.split_data.split.train)
        done, total = epochs_done * images, self.recipe.epochs * images
        bar(done, total)

        def tick(count: int) -> None:
            nonlocal done
            done += count
            bar(done, total)

        return tick

    def _tested_network(self, state: TrainingState) -> nn.Module:
        network = self.learner.network
        network.load_state_dict(state.best_weights)
        if self.recipe.faults.keeps_imagenet_head:
            cut_head(network, len(self.split_data.countries))
        return on_device(network, self.device).eval()


def new_training(recipe: Recipe, split_data: SplitData, device: torch.device) -> Training:
    """Prepare a training run. Raises InvalidRecipe."""
    learner = new_learner(recipe, len(split_data.countries), device)
    return Training(recipe, split_data, learner, device)
