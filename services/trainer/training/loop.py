"""The training loop: train on train, select the best epoch on val."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from euguess.images.postprocessing import log_softmax
from euguess.training.recipes.recipe import Recipe
from services.trainer.errors import Diverged
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import is_top, negative_log_likelihoods
from services.trainer.loading.batches import Batch, draw_rows, num_batches
from services.trainer.loading.split_data import SplitData
from services.trainer.progress import EpochResult
from services.trainer.training.learner import Learner
from services.trainer.training.losses import Criterion, make_criterion
from services.trainer.training.mixing import mixed

SEED_STRIDE = 100_003  # a prime, so that epochs of neighbouring recipe seeds do not collide


@dataclass(frozen=True)
class TrainingState:
    """The state of a training run after an epoch: everything needed to resume it."""

    history: tuple[EpochResult, ...] = ()
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    @property
    def best(self) -> EpochResult:
        return max(self.history, key=lambda result: result.rank)


AfterEpoch = Callable[[TrainingState], None]
Tick = Callable[[int], None]  # images trained on since the last call


def train(
    recipe: Recipe,
    learner: Learner,
    split_data: SplitData,
    *,
    start: TrainingState,
    after_epoch: AfterEpoch,
    tick: Tick,
) -> TrainingState:
    """Train from `start` to the recipe's last epoch; return the final state with the best weights.

    An epoch is a pure function of the state after the previous one and of the recipe's seed, so a
    resumed run has the same result as an uninterrupted one.
    """
    state, criterion = start, make_criterion(recipe, split_data)
    for epoch in range(start.epochs_done, recipe.epochs):
        result = _epoch(recipe, learner, split_data, criterion, epoch, tick)
        is_best = not state.history or result.rank > state.best.rank
        weights = _copy_of(learner) if is_best else state.best_weights
        state = replace(state, history=(*state.history, result), best_weights=weights)
        after_epoch(state)
    return state


def train_one_epoch(
    learner: Learner,
    batches: Iterable[Batch],
    moments: Iterable[float],
    criterion: Criterion,
    tick: Tick,
) -> tuple[float, float]:
    """Train on batches; return mean loss and accuracy. moments: epoch of each, for the schedule."""
    learner.start_epoch()
    losses, hits, images = [], [], 0
    for batch, moment in zip(batches, moments, strict=False):
        learner.schedule(moment)
        step = learner.learn(batch, criterion)
        # Kept on the device: reading a value would synchronise with the GPU at every step.
        losses.append(step.loss)
        hits.append(step.hits)
        images += step.images
        tick(step.images)
    loss, right = _read_back(torch.stack(losses).sum(), torch.stack(hits).sum())
    return loss / images, right / images


def _read_back(*values: Tensor) -> list[float]:
    """Return single values of the device in one transfer: the only wait for a GPU in an epoch."""
    together: list[float] = torch.stack([value.float() for value in values]).tolist()
    return together


def _epoch(
    recipe: Recipe,
    learner: Learner,
    split_data: SplitData,
    criterion: Criterion,
    epoch: int,
    tick: Tick,
) -> EpochResult:
    started = time.perf_counter()
    seed = recipe.seed * SEED_STRIDE + epoch
    torch.manual_seed(seed)  # dropout
    order_seed = recipe.seed if recipe.faults.no_shuffling else seed
    train, augmentation = split_data.split.train, recipe.augmentation
    rows = draw_rows(train, split_data.labels[train], recipe.balance.sampling, order_seed)
    batches = split_data.images.training_batches(
        rows, recipe.batch_size, augmentation, seed, order_seed
    )
    batches = mixed(batches, augmentation, seed)
    steps = num_batches(len(rows), recipe.batch_size)
    moments = (epoch + step / steps for step in range(steps))
    train_loss, train_accuracy = train_one_epoch(learner, batches, moments, criterion, tick)
    if not math.isfinite(train_loss):
        raise _diverged(epoch, f"loss {train_loss}")
    try:
        val_loss, val_accuracy = _validate(recipe.batch_size, learner, split_data)
    except Diverged:
        raise _diverged(epoch, "its outputs for val are not finite numbers") from None
    return EpochResult(
        epoch=epoch,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        learning_rate=learner.learning_rate,
        seconds=time.perf_counter() - started,
    )


def _diverged(epoch: int, sign: str) -> Diverged:
    return Diverged(
        f"Training diverged in epoch {epoch + 1} ({sign}). Lower the recipe's "
        "optimizer.learning_rate."
    )


def _validate(batch_size: int, learner: Learner, split_data: SplitData) -> tuple[float, float]:
    """Return mean loss and accuracy on val; zeros without val, so the last epoch is best."""
    rows = split_data.split.val
    if not len(rows):
        return 0.0, 0.0
    learner.judged.eval()
    logits = predict_logits(learner.logits, split_data.images, rows, batch_size)
    named = logits[:, : len(split_data.countries)]  # an ImageNet head has more outputs
    log_probabilities, labels = log_softmax(named), split_data.labels[rows]
    losses = negative_log_likelihoods(log_probabilities, labels)
    return float(losses.mean()), float(np.mean(is_top(log_probabilities, labels, 1)))


def _copy_of(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.judged.state_dict().items()}
