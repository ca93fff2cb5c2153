"""Mutable state of a training run: network, optimiser, learning rate and weight average."""

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer

from euguess.errors import InvalidRecipe
from euguess.training.recipes.recipe import NO_WEIGHTS, Recipe
from services.networks import (
    IMAGENET_CLASSES,
    UnknownNetwork,
    UnsuitableSize,
    check_image_size,
)
from services.trainer.devices import on_device, training_arithmetic
from services.trainer.loading.batches import Batch
from services.trainer.pretrained import WeightsMismatch, build_pretrained
from services.trainer.training.fine_tuning import freeze, parameter_groups, set_training_mode
from services.trainer.training.losses import Criterion
from services.trainer.training.schedules import make_schedule

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WARMUP_STEPS = 10  # of the weight average


@dataclass(frozen=True)
class Step:
    """Loss and hits, summed over the images of one batch."""

    loss: Tensor
    hits: Tensor
    images: int


class Learner:
    """A network in training, on any device and in any precision."""

    def __init__(self, network: nn.Module, recipe: Recipe, device: torch.device) -> None:
        self.network = on_device(network, device)
        freeze(self.network, recipe.fine_tuning)
        self.average = WeightAverage(self.network, recipe.ema_decay) if recipe.ema_decay else None
        self.optimizer = _optimizer(self.network, recipe, is_fused=device.type == "cuda")
        is_half = recipe.precision == "fp16"
        self.scaler = torch.amp.GradScaler(device.type, enabled=is_half)
        self._schedule = make_schedule(self.optimizer, recipe)
        self._autocast = _autocast(device, recipe.precision)
        self._accumulation = recipe.optimizer.accumulation
        self._clip_norm = recipe.optimizer.clip_norm
        self._is_in_eval_mode = recipe.faults.eval_mode_while_training

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and stored: the weight average if there is one."""
        return self.network if self.average is None else self.average.network

    @property
    def learning_rate(self) -> float:
        """The learning rate of the head, which is the highest."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def start_epoch(self) -> None:
        """Set training mode; with the study's fault, evaluation mode."""
        if self._is_in_eval_mode:
            self.network.eval()
        else:
            set_training_mode(self.network)

    def schedule(self, epoch: float) -> None:
        """Set the learning rate; epoch 0.5 is halfway through the first epoch."""
        if self._schedule is not None:
            self._schedule.step(epoch)

    def learn(self, batch: Batch, criterion: Criterion) -> Step:
        """Take one step of gradient descent."""
        self.optimizer.zero_grad(set_to_none=True)
        with training_arithmetic():
            parts = [
                self._gradient(part, criterion, len(part.labels) / len(batch.labels))
                for part in batch.parts(self._accumulation)
            ]
        self._descend()
        losses, hits = zip(*parts, strict=True)
        return Step(torch.stack(losses).sum(), torch.stack(hits).sum(), len(batch.labels))

    def _gradient(self, part: Batch, criterion: Criterion, share: float) -> tuple[Tensor, Tensor]:
        """Accumulate the gradient of part of a batch; return its summed loss and hits."""
        with self._autocast:
            logits = self.network(part.images)
            loss = criterion(logits, part)
        torch.autograd.backward(self.scaler.scale(loss * share))
        hits = (logits.detach().argmax(dim=1) == part.labels).sum()
        return loss.detach() * len(part.labels), hits

    def _descend(self) -> None:
        if self._clip_norm:
            self.scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.network.parameters(), self._clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.network)

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Return N x countries float32 logits of the judged network in evaluation mode."""
        with self._autocast:
            logits: Tensor = self.judged(images)
        return logits.float()


def new_learner(recipe: Recipe, num_countries: int, device: torch.device) -> Learner:
    """Build a learner; random weights depend only on the recipe's seed. Raises InvalidRecipe."""
    torch.manual_seed(recipe.seed)
    weights = None if recipe.weights == NO_WEIGHTS else recipe.weights
    outputs = IMAGENET_CLASSES if recipe.faults.keeps_imagenet_head else num_countries
    try:
        network = build_pretrained(recipe.network, outputs, weights, recipe.image_size)
        check_image_size(network, recipe.image_size)
    except UnknownNetwork as error:
        raise InvalidRecipe(f"network: {error}.") from None
    except (UnsuitableSize, WeightsMismatch) as error:
        raise InvalidRecipe(f"network {recipe.network}, weights {weights}: {error}.") from None
    except OSError as error:
        raise InvalidRecipe(
            f"Could not load the weights {weights!r} of {recipe.network} ({error}). Use 'none', "
            "the path of a .safetensors file, or 'imagenet' on a machine with internet access."
        ) from None
    return Learner(network, recipe, device)


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


def _optimizer(network: nn.Module, recipe: Recipe, *, is_fused: bool) -> Optimizer:
    """Build the optimiser. Fused ones skip fp16 steps that overflow without waiting for the GPU."""
    optimisation, fused = recipe.optimizer, True if is_fused else None
    groups = parameter_groups(network, optimisation, recipe.fine_tuning.layer_decay)
    if optimisation.name != "sgd":
        kind = Adam if optimisation.name == "adam" else AdamW
        return kind(groups, fused=fused)
    optimizer = SGD(groups, momentum=optimisation.momentum, fused=fused)
    if is_fused and optimisation.momentum:
        _start_at_rest(optimizer)
    return optimizer


def _start_at_rest(optimizer: Optimizer) -> None:
    """Set all momentum to zero, which a fused SGD leaves undefined if its first step is skipped."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


class WeightAverage:
    """Exponential moving average (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    In step t the decay is at most (t + 1) / (t + 10), as in TensorFlow, so that the initial random
    weights are forgotten quickly. Batch statistics are averaged in the same way.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.steps = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the weights after a step."""
        decay = min(self._decay, (self.steps + 1) / (self.steps + WARMUP_STEPS))
        self.steps += 1
        newest = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(newest[name], 1 - decay)
            else:
                average.copy_(newest[name])
