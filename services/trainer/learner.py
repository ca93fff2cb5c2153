"""What training changes: the network, its optimiser and its learning rate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from euguess.errors import InvalidRecipe
from services.trainer.batches import Batch
from services.trainer.devices import on_device
from services.trainer.networks import (
    IMAGENET_CLASSES,
    UnknownNetwork,
    WeightsMismatch,
    build_network,
    check_image_size,
)
from services.trainer.recipe import NO_WEIGHTS, Optimisation, Recipe, Schedule

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Step:
    """Sums over the images of one batch."""

    loss: Tensor
    hits: Tensor
    images: int


class Learner:
    """A network in training. One code path for all devices and precisions."""

    def __init__(self, network: nn.Module, recipe: Recipe, device: torch.device) -> None:
        self.network = on_device(network, device)
        self.optimizer = _optimizer(self.network, recipe.optimizer)
        is_half = recipe.precision == "fp16"
        self.scaler = torch.amp.GradScaler(device.type, enabled=is_half)
        self._schedule = _schedule(self.optimizer, recipe.schedule)
        self._autocast = torch.autocast(
            device.type, DTYPES[recipe.precision], enabled=recipe.precision != "fp32"
        )
        self._label_smoothing = recipe.label_smoothing
        self.is_frozen = recipe.faults.eval_mode_while_training

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def schedule(self, epoch: float) -> None:
        """Set the learning rate for a moment in time; 0.5 is half of the first epoch."""
        if self._schedule is not None:
            self._schedule.step(epoch)

    def learn(self, batch: Batch) -> Step:
        """One step of gradient descent."""
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast:
            logits = self.network(batch.images)
            loss = cross_entropy(logits, batch.labels, label_smoothing=self._label_smoothing)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        hits = (logits.detach().argmax(dim=1) == batch.labels).sum()
        return Step(loss.detach() * len(batch.labels), hits, len(batch.labels))

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """N x countries float32, by a network in evaluation mode."""
        with self._autocast:
            logits: Tensor = self.network(images)
        return logits.float()


def new_learner(recipe: Recipe, num_countries: int, device: torch.device) -> Learner:
    """A learner whose random weights depend on the recipe's seed alone. Raises InvalidRecipe."""
    torch.manual_seed(recipe.seed)
    weights = None if recipe.weights == NO_WEIGHTS else recipe.weights
    outputs = IMAGENET_CLASSES if recipe.faults.keeps_imagenet_head else num_countries
    try:
        network = build_network(recipe.network, outputs, weights, recipe.image_size)
        check_image_size(network, recipe.image_size)
    except UnknownNetwork as error:
        raise InvalidRecipe(f"network: {error}.") from None
    except WeightsMismatch as error:
        raise InvalidRecipe(f"network {recipe.network}, weights {weights}: {error}.") from None
    except OSError as error:
        raise InvalidRecipe(
            f"The weights {weights!r} of {recipe.network} cannot be had ({error}); give 'none', "
            "the path of a .safetensors file, or 'imagenet' on a machine with internet access."
        ) from None
    return Learner(network, recipe, device)


def _optimizer(network: nn.Module, recipe: Optimisation) -> Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.name == "sgd":
        return SGD(network.parameters(), rate, momentum=recipe.momentum, weight_decay=decay)
    kind = Adam if recipe.name == "adam" else AdamW
    return kind(network.parameters(), rate, weight_decay=decay)


def _schedule(optimizer: Optimizer, recipe: Schedule) -> CosineAnnealingWarmRestarts | None:
    if recipe.name == "none":
        return None
    return CosineAnnealingWarmRestarts(optimizer, recipe.t_0, recipe.t_mult, recipe.eta_min)
