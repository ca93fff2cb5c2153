"""What a training changes: the network, its optimiser, its learning rate and its weight average."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer

from euguess.errors import InvalidRecipe
from services.trainer.devices import on_device
from services.trainer.loading.batches import Batch
from services.trainer.networks import (
    IMAGENET_CLASSES,
    UnknownNetwork,
    WeightsMismatch,
    build_network,
    check_image_size,
)
from services.trainer.recipe import NO_WEIGHTS, Recipe
from services.trainer.training.fine_tuning import freeze, parameter_groups, set_training_mode
from services.trainer.training.losses import Criterion
from services.trainer.training.schedules import make_schedule

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WARMUP_STEPS = 10  # of the weight average


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
        freeze(self.network, recipe.fine_tuning)
        self.average = WeightAverage(self.network, recipe.ema_decay) if recipe.ema_decay else None
        self.optimizer = _optimizer(self.network, recipe)
        is_half = recipe.precision == "fp16"
        self.scaler = torch.amp.GradScaler(device.type, enabled=is_half)
        self._schedule = make_schedule(self.optimizer, recipe)
        self._autocast = torch.autocast(
            device.type, DTYPES[recipe.precision], enabled=recipe.precision != "fp32"
        )
        self._accumulation = recipe.optimizer.accumulation
        self._clip_norm = recipe.optimizer.clip_norm
        self._is_in_eval_mode = recipe.faults.eval_mode_while_training

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and stored: the average where there is one."""
        return self.network if self.average is None else self.average.network

    @property
    def learning_rate(self) -> float:
        """That of the head, which is the highest."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def start_epoch(self) -> None:
        """Training mode, or the study's fault of never leaving evaluation mode."""
        if self._is_in_eval_mode:
            self.network.eval()
        else:
            set_training_mode(self.network)

    def schedule(self, epoch: float) -> None:
        """Set the learning rate for a moment in time; 0.5 is half of the first epoch."""
        if self._schedule is not None:
            self._schedule.step(epoch)

    def learn(self, batch: Batch, criterion: Criterion) -> Step:
        """One step of gradient descent."""
        self.optimizer.zero_grad(set_to_none=True)
        parts = [
            self._gradient(part, criterion, len(part.labels) / len(batch.labels))
            for part in batch.parts(self._accumulation)
        ]
        self._descend()
        losses, hits = zip(*parts, strict=True)
        return Step(torch.stack(losses).sum(), torch.stack(hits).sum(), len(batch.labels))

    def _gradient(self, part: Batch, criterion: Criterion, share: float) -> tuple[Tensor, Tensor]:
        """Add the gradient of a share of a batch; sums of loss and hits over its images."""
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
        """N x countries float32, by the judged network in evaluation mode."""
        with self._autocast:
            logits: Tensor = self.judged(images)
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


def _optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    optimisation = recipe.optimizer
    groups = parameter_groups(network, optimisation, recipe.fine_tuning.layer_decay)
    if optimisation.name == "sgd":
        return SGD(groups, momentum=optimisation.momentum)
    kind = Adam if optimisation.name == "adam" else AdamW
    return kind(groups)


class WeightAverage:
    """Exponential moving average (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    In step t the decay is at most (t + 1) / (t + 10), as in TensorFlow, so that the random weights
    of the start are soon forgotten. Batch statistics are averaged likewise.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.steps = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        decay = min(self._decay, (self.steps + 1) / (self.steps + WARMUP_STEPS))
        self.steps += 1
        newest = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(newest[name], 1 - decay)
            else:
                average.copy_(newest[name])
