"""No step of an epoch waits for the device: shown on one whose values cannot be read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from euguess.training.recipes.recipe import Recipe
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.loading.batches import Batch
from services.trainer.training import learner as learners
from services.trainer.training import loop
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import TrainingState, train
from services.trainer.training.losses import Criterion
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data
from tests.support.unreadable_device import UNREADABLE, Uploads, Waited

OPTIONS = (
    "optimizer.name=sgd",
    "optimizer.name=adam",
    "optimizer.accumulation=2",
    "optimizer.clip_norm=1.0",
    "schedule.name=cosine",
    "schedule.name=cosine-warm-restarts",
    "augmentation.shift=0.1",
    "augmentation.zoom=0.1",
    "augmentation.brightness=0.1",
    "augmentation.contrast=0.1",
    "augmentation.saturation=0.1",
    "augmentation.randaugment=2",
    "augmentation.mixup=0.4",
    "augmentation.cutmix=1.0",
    "label_smoothing=0.1",
    "smoothing.by=distance label_smoothing=0.1",
    "balance.logit_adjustment=0.5",
    "balance.sampling=0.5",
    "fine_tuning.layer_decay=0.8",
    "ema_decay=0.9",
    "faults.eval_mode_while_training=true",
    "faults.keeps_imagenet_head=true",
    "faults.no_shuffling=true",
    "network=resnet18",
    "network=mobilenet_v3_small",
)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """Let the loop read nothing and copy nothing but by the uploads that it counts."""
    counted = Uploads()
    for module in ("batches", "rand_augment"):
        monkeypatch.setattr(f"services.trainer.loading.{module}.upload", counted.upload)
    monkeypatch.setattr(
        "services.trainer.loading.batches.random_numbers",
        lambda device, seed: torch.Generator().manual_seed(seed),
    )
    return counted


def train_an_epoch(recipe: Recipe, uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train one epoch; return what happened in its steps, in order: uploads and read-backs."""
    events: list[str] = []

    def read_back(*values: torch.Tensor) -> list[float]:
        events.append("read")
        return [1.0] * len(values)

    monkeypatch.setattr(loop, "_read_back", read_back)
    monkeypatch.setattr(loop, "train_one_epoch", guarded(events, uploads))
    split_data = tiny_split_data(recipe, device=UNREADABLE)
    learner = new_learner(recipe, len(COUNTRIES), UNREADABLE)
    train(
        recipe,
        learner,
        split_data,
        start=TrainingState(),
        after_epoch=lambda state: None,
        tick=lambda images: events.append("step"),
    )
    return events


def guarded(events: list[str], uploads: Uploads) -> Callable[..., tuple[float, float]]:
    inner = loop.train_one_epoch

    def guard(*args: Any) -> tuple[float, float]:
        before = uploads.count
        with uploads.only():
            result = inner(*args)
        events.append(f"{uploads.count - before} uploads")
        return result

    return guard


def without_validation(options: str = "") -> Recipe:
    return tiny_recipe(*options.split(), "split.val_fraction=0", "epochs=1")


@pytest.mark.parametrize("options", OPTIONS)
def test_steps_read_nothing_from_the_device_and_the_epoch_reads_once_at_its_end(
    options: str, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = train_an_epoch(without_validation(options), uploads, monkeypatch)
    assert events.count("step") >= 2
    assert "read" not in events[:-2]
    assert events[-2] == "read"


def test_the_order_of_an_epoch_is_uploaded_once_before_its_steps(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train_an_epoch(without_validation(), uploads, monkeypatch)[-1] == "0 uploads"


def test_randaugment_uploads_one_order_for_each_operation(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = without_validation("augmentation.randaugment=2")
    events = train_an_epoch(recipe, uploads, monkeypatch)
    assert events[-1] == f"{2 * events.count('step')} uploads"


@pytest.mark.parametrize(
    "waiting",
    [
        lambda values: values.sum().item(),
        lambda values: bool(values[0] > 0),
        lambda values: values.cpu(),
        lambda values: values[values > 0],
        lambda values: values[torch.tensor([0, 1])],
        lambda values: values + torch.ones(4).to(values.device),
        lambda values: values * torch.tensor([1.0], device=values.device),
        lambda values: values.copy_(torch.ones(4)),
    ],
)
def test_the_stand_in_refuses_what_a_gpu_would_wait_for(
    waiting: Callable[[Tensor], object],
) -> None:
    values = torch.zeros(4, device=UNREADABLE)
    with Uploads().only(), pytest.raises((Waited, RuntimeError, NotImplementedError)):
        waiting(values)


def test_all_validation_batches_are_read_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe()
    images, reads = tiny_split_data(recipe).images, []
    copy = Tensor.cpu

    def counted(values: Tensor) -> Tensor:
        reads.append(values.shape)
        return copy(values)

    monkeypatch.setattr(Tensor, "cpu", counted)
    rows = torch.arange(10).numpy()
    assert predict_logits(lambda x: x.mean((2, 3)), images, rows, batch_size=4).shape == (10, 3)
    assert reads == [(10, 3)]


class NoReading(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to turn a tensor into a number."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise Waited("a value was read")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the optimisers of GPUs, which exist for CPUs too."""
    plain = learners._optimizer
    monkeypatch.setattr(
        learners,
        "_optimizer",
        lambda network, recipe, is_fused: plain(network, recipe, is_fused=True),
    )


def momenta_of(learner: Learner) -> list[Tensor]:
    names = ("momentum_buffer", "exp_avg")
    return [s[name] for s in learner.optimizer.state.values() for name in names if name in s]


@pytest.mark.usefixtures("fused")
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_a_step_in_fp16_that_overflows_is_skipped_without_reading_that_it_did(
    name: str, clip_norm: float
) -> None:
    recipe = tiny_recipe(
        f"optimizer.name={name}", f"optimizer.clip_norm={clip_norm}", "precision=fp16"
    )
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    before = [parameter.detach().clone() for parameter in learner.network.parameters()]
    batch = Batch(torch.full((4, 3, 32, 32), torch.inf), torch.arange(4) % 3)
    good = Batch(torch.randn(4, 3, 32, 32), torch.arange(4) % 3)
    learner.network.eval()
    with NoReading():  # type: ignore[no-untyped-call]
        learner.learn(batch, Criterion())
    assert all(map(torch.equal, before, learner.network.parameters()))
    assert learner.scaler.get_scale() < 65536
    assert not any(momentum.any() for momentum in momenta_of(learner))
    with NoReading():  # type: ignore[no-untyped-call]
        learner.learn(good, Criterion())
    assert not any(map(torch.equal, before, learner.network.parameters()))
