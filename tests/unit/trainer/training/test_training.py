"""Training: it learns, is reproducible to the bit, and resumes where it stopped."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from euguess.errors import InvalidRecipe
from euguess.training.recipes.recipe import Recipe
from services.trainer.errors import Diverged
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.loading.batches import Batch
from services.trainer.progress import EpochResult
from services.trainer.runs.checkpoint import Checkpoint
from services.trainer.training import learner as learners
from services.trainer.training.driver import new_training
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import TrainingState, train
from services.trainer.training.losses import Criterion
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data


def trained(recipe: Recipe, checkpoint: Checkpoint | None = None) -> TrainingState:
    """Train, from the checkpoint if it holds anything, saving after each epoch."""
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    start = checkpoint.load(learner) if checkpoint else TrainingState()

    def save(state: TrainingState) -> None:
        if checkpoint:
            checkpoint.save(learner, state, "run")

    split_data = tiny_split_data(recipe)
    return train(
        recipe, learner, split_data, start=start, after_epoch=save, tick=lambda images: None
    )


def without_times(state: TrainingState) -> list[EpochResult]:
    return [dataclasses.replace(result, seconds=0.0) for result in state.history]


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return all(torch.equal(ours[name], theirs[name]) for name in ours.keys() | theirs.keys())


# Every recipe setting that draws random numbers, keeps state or changes the order of summation.
EVERYTHING = (
    "optimizer.decayed=matrices",
    "optimizer.accumulation=2",
    "optimizer.clip_norm=1.0",
    "schedule.name=cosine",
    "schedule.warmup_epochs=0.5",
    "augmentation.shift=0.1",
    "augmentation.randaugment=2",
    "augmentation.mixup=0.4",
    "augmentation.cutmix=1.0",
    "label_smoothing=0.1",
    "smoothing.by=distance",
    "balance.logit_adjustment=0.5",
    "balance.sampling=0.5",
    "fine_tuning.layer_decay=0.8",
    "ema_decay=0.9",
)


SEVERAL_STEPS = ("epochs=1", "batch_size=4")


class Cut(Exception):
    """Raised to interrupt a run after an epoch."""


def cut_after_an_epoch(recipe: Recipe, checkpoint: Checkpoint) -> None:
    """Train as `trained` does, but only one epoch further."""
    learner = new_learner(recipe, len(COUNTRIES), CPU)

    def save_and_cut(state: TrainingState) -> None:
        checkpoint.save(learner, state, "run")
        raise Cut

    with pytest.raises(Cut):
        train(
            recipe,
            learner,
            tiny_split_data(recipe),
            start=checkpoint.load(learner),
            after_epoch=save_and_cut,
            tick=lambda images: None,
        )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_with_every_option_a_run_cut_after_each_epoch_equals_an_uninterrupted_one(
    precision: str, tmp_path: Path
) -> None:
    recipe = tiny_recipe(*EVERYTHING, f"precision={precision}")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    for _ in range(recipe.epochs - 1):
        cut_after_an_epoch(recipe, checkpoint)
    continued, unbroken = trained(recipe, checkpoint), trained(recipe)
    assert math.isfinite(unbroken.history[-1].train_loss)
    assert without_times(continued) == without_times(unbroken)
    assert same(continued.best_weights, unbroken.best_weights)


@pytest.fixture(scope="module")
def with_everything() -> TrainingState:
    return trained(tiny_recipe(*EVERYTHING, *SEVERAL_STEPS))


@pytest.mark.parametrize("change", EVERYTHING)
def test_each_part_of_a_recipe_changes_the_training(
    change: str, with_everything: TrainingState
) -> None:
    others = [part for part in EVERYTHING if part != change]
    without = trained(tiny_recipe(*others, *SEVERAL_STEPS))
    assert without_times(without) != without_times(with_everything)


def test_the_averaged_weights_are_validated_and_kept() -> None:
    recipe = tiny_recipe("ema_decay=0.9", "epochs=1")
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    state = train(
        recipe,
        learner,
        tiny_split_data(recipe),
        start=TrainingState(),
        after_epoch=lambda state: None,
        tick=lambda images: None,
    )
    assert learner.average is not None
    assert same(state.best_weights, learner.average.network.state_dict())
    assert not same(state.best_weights, learner.network.state_dict())


def test_a_batch_in_parts_has_the_gradient_of_the_full_batch() -> None:
    """Uses a network without batch statistics, and sgd, whose step is the gradient."""
    steps = []
    for parts in (1, 3):
        torch.manual_seed(0)
        recipe = tiny_recipe("optimizer.name=sgd", f"optimizer.accumulation={parts}")
        learner = Learner(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3)), recipe, CPU)
        batch = Batch(torch.randn(10, 3, 8, 8), torch.arange(10) % 3)
        learned = learner.learn(batch, Criterion())
        steps.append((float(learned.loss), learner.network.state_dict()["1.weight"]))
    assert steps[0][0] == pytest.approx(steps[1][0], rel=1e-5)
    torch.testing.assert_close(steps[0][1], steps[1][1])


def test_large_gradients_are_clipped() -> None:
    recipe = tiny_recipe("optimizer.name=sgd", "optimizer.clip_norm=0.01")
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    learner.learn(Batch(100 * torch.randn(8, 3, 32, 32), torch.arange(8) % 3), Criterion())
    gradients = [p.grad.norm() for p in learner.network.parameters() if p.grad is not None]
    assert float(torch.stack(gradients).norm()) == pytest.approx(0.01, rel=1e-3)


def test_a_few_images_can_be_memorised() -> None:
    state = trained(tiny_recipe("epochs=8", "optimizer.learning_rate=0.003"))
    assert state.history[-1].train_loss < state.history[0].train_loss / 2
    assert state.best.val_accuracy == 1.0


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_same_seed_gives_the_same_bits(optimizer: str) -> None:
    recipe = tiny_recipe(
        f"optimizer.name={optimizer}",
        "epochs=2",
        "augmentation.shift=0.1",
        "augmentation.contrast=0.2",
    )
    first, second = trained(recipe), trained(recipe)
    assert without_times(first) == without_times(second)
    assert same(first.best_weights, second.best_weights)


def test_another_seed_trains_differently() -> None:
    first, second = trained(tiny_recipe("epochs=1")), trained(tiny_recipe("epochs=1", "seed=1"))
    assert without_times(first) != without_times(second)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, optimizer: str, stop: int
) -> None:
    changes = (
        f"optimizer.name={optimizer}",
        "schedule.name=cosine-warm-restarts",
        "schedule.t_0=3",
    )
    whole, part = tiny_recipe(*changes), tiny_recipe(*changes, f"epochs={stop}")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    trained(part, checkpoint)
    continued, unbroken = trained(whole, checkpoint), trained(whole)
    assert without_times(continued) == without_times(unbroken)
    assert same(continued.best_weights, unbroken.best_weights)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_that_was_started_on_a_gpu_can_be_resumed_on_a_cpu(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(f"optimizer.name={optimizer}", "epochs=2")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    plain = learners._optimizer
    with monkeypatch.context() as patch:  # as on a GPU
        patch.setattr(
            learners,
            "_optimizer",
            lambda network, recipe, is_fused: plain(network, recipe, is_fused=True),
        )
        cut_after_an_epoch(recipe, checkpoint)
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    checkpoint.load(learner)
    assert [group["fused"] for group in learner.optimizer.param_groups] == [None]
    assert math.isfinite(trained(recipe, checkpoint).history[-1].train_loss)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_momentum_keeps_the_memory_order_of_its_weights_after_a_resume(
    optimizer: str, tmp_path: Path
) -> None:
    recipe = tiny_recipe(f"optimizer.name={optimizer}", "epochs=1")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    trained(recipe, checkpoint)
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    checkpoint.load(learner)
    for parameter, slots in learner.optimizer.state.items():
        momenta = [values for values in slots.values() if values.shape == parameter.shape]
        assert momenta
        assert all(values.stride() == parameter.stride() for values in momenta)


def test_a_checkpoint_of_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trained(tiny_recipe("epochs=1"), Checkpoint(path, "one"))
    assert Checkpoint(path, "one").saved_run() == "run"
    assert Checkpoint(path, "other").saved_run() is None


def test_a_truncated_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    trained(tiny_recipe("epochs=1"), checkpoint)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:1000])
    assert checkpoint.saved_run() is None


def test_the_best_epoch_is_the_one_with_the_highest_val_accuracy() -> None:
    results = [
        EpochResult(epoch, 0.0, 0.0, loss, accuracy, 0.0, 0.0)
        for epoch, (loss, accuracy) in enumerate([(1.0, 0.5), (0.9, 0.7), (0.8, 0.7), (0.1, 0.6)])
    ]
    assert TrainingState(tuple(results)).best.epoch == 2


def test_without_a_val_part_the_last_epoch_is_kept() -> None:
    state = trained(tiny_recipe("epochs=2", "split.val_fraction=0"))
    assert state.best.epoch == 1


def test_the_learning_rate_follows_the_schedule() -> None:
    recipe = tiny_recipe("schedule.name=cosine-warm-restarts", "schedule.t_0=2")
    learner = new_learner(recipe, 3, CPU)
    rates = []
    for moment in (0.0, 1.0, 2.0, 3.0):
        learner.schedule(moment)
        rates.append(learner.learning_rate)
    full = recipe.optimizer.learning_rate
    assert rates == pytest.approx([full, full / 2, full, full / 2])


def diverging(*changes: str) -> Recipe:
    """Return a recipe whose first step makes the weights infinite."""
    recipe = tiny_recipe("optimizer.name=sgd", *changes)
    optimizer = recipe.optimizer.model_copy(update={"learning_rate": math.inf})
    return recipe.model_copy(update={"optimizer": optimizer})


def test_a_diverging_run_is_reported() -> None:
    with pytest.raises(Diverged, match=r"diverged in epoch 1 .*learning_rate"):
        trained(diverging())


def test_an_epoch_whose_last_step_diverges_is_not_the_best(tmp_path: Path) -> None:
    """With one step per epoch, the loss is still a number; only the outputs for val are not."""
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    with pytest.raises(Diverged, match=r"diverged in epoch 1 .*outputs for val"):
        trained(diverging("batch_size=1000"), checkpoint)
    assert checkpoint.saved_run() is None


def test_without_val_a_run_whose_last_step_diverges_has_no_report() -> None:
    recipe = diverging("batch_size=1000", "epochs=1", "split.val_fraction=0")
    split_data = tiny_split_data(recipe)
    network = new_training(recipe, split_data, CPU).run(after_epoch=lambda state: None).network
    with pytest.raises(Diverged):
        evaluate(network, split_data, recipe)


def test_a_diverged_epoch_is_worse_than_any_other() -> None:
    good = EpochResult(0, 1.0, 0.0, 3.0, 0.0, 0.0, 0.0)
    broken = EpochResult(1, 1.0, 1.0, math.nan, 1.0, 0.0, 0.0)
    assert TrainingState((good, broken)).best is good


def test_the_checkpoint_of_a_diverged_run_is_not_resumed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    learner = new_learner(tiny_recipe(), len(COUNTRIES), CPU)
    broken = EpochResult(0, 1.0, 1.0, math.nan, 1.0, 0.0, 0.0)
    checkpoint.save(learner, TrainingState((broken,)), "run")
    assert checkpoint.saved_run() is None


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_optimiser_has_the_memory_layout_of_the_weights_after_a_resume(
    tmp_path: Path, optimizer: str
) -> None:
    recipe = tiny_recipe(f"optimizer.name={optimizer}", "epochs=1")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    trained(recipe, checkpoint)
    learner = new_learner(recipe, len(COUNTRIES), CPU)
    checkpoint.load(learner)
    layouts = [
        (parameter.stride(), value.stride())
        for parameter, slots in learner.optimizer.state.items()
        for value in slots.values()
        if parameter.dim() == 4 and value.shape == parameter.shape
    ]
    assert layouts
    assert all(ours == theirs for ours, theirs in layouts)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("weights=/nowhere/weights.safetensors", "Could not load the weights"),
        ("network=inception_v3", "does not accept images of 32 x 32"),
        ("weights=imagenet", "no ImageNet weights"),
    ],
)
def test_unusable_networks_and_weights_are_invalid_recipes(override: str, said: str) -> None:
    with pytest.raises(InvalidRecipe, match=said):
        new_learner(tiny_recipe(override), 3, CPU)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_runs_through_the_same_loop(precision: str) -> None:
    state = trained(tiny_recipe(f"precision={precision}", "epochs=1"))
    assert math.isfinite(state.history[0].train_loss)
