"""Sweep workers: they resume, prune and rerun trials, and use only train and val."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from euguess.errors import EUGuessError
from euguess.messages.serving import ImageSpec
from euguess.training.recipes.recipe import Recipe
from services.trainer.dataset.view_index import Rows
from services.trainer.loading.batches import Batch, DeviceImages
from services.trainer.loading.split_data import SplitData
from services.trainer.sweeps.result import result_of
from services.trainer.sweeps.spec import Sweep, SweepSpec
from services.trainer.sweeps.study import FINISHED, StudyStorage, open_study
from services.trainer.sweeps.trials import Worker
from tests.support.tiny_training import CPU, SIZE, tiny_recipe, tiny_split_data

RATES: Mapping[str, object] = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


def sweep_of(space: Mapping[str, object], trials: int, **options: object) -> Sweep:
    facts = {"name": "tiny", "recipe": "", "trials": trials, "epochs": 1, "startup_trials": 1}
    return Sweep(SweepSpec.model_validate({**facts, "space": space, **options}), tiny_recipe())


@dataclass(frozen=True)
class Bench:
    """A database, and the prefix of its study names."""

    url: str
    prefix: str

    def open(self, sweep: Sweep, name: str = "study") -> tuple[Study, StudyStorage]:
        storage = StudyStorage(f"{self.prefix}-{name}", self.url, grace_seconds=60)
        return open_study(sweep, sweep.recipe_of({}).epochs, storage), storage

    def run(
        self,
        sweep: Sweep,
        *first: dict[str, Any],
        name: str = "study",
        load_split_data: Callable[[Recipe], SplitData] = tiny_split_data,
    ) -> list[FrozenTrial]:
        """Run a worker and return all trials; `first` gives the values of the first ones."""
        study, storage = self.open(sweep, name)
        for values in first:
            study.enqueue_trial(values)

        Worker(sweep, study, storage, load_split_data, CPU, lambda study: None).run()
        return study.get_trials()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests, whose study names differ."""
    return f"sqlite:///{tmp_path_factory.mktemp('sweeps') / 'study.db'}"


@pytest.fixture
def bench(database: str) -> Bench:
    return Bench(database, secrets.token_hex(4))


def outcomes(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    return [(trial.number, trial.state, trial.value, trial.params) for trial in trials]


def test_a_resumed_sweep_equals_an_uninterrupted_one(bench: Bench) -> None:
    whole = sweep_of(RATES, 3, objective="val_loss")
    part = sweep_of(RATES, 2, objective="val_loss")
    first = bench.run(part, name="broken")
    continued = bench.run(whole, name="broken")
    assert outcomes(continued)[:2] == outcomes(first)
    assert outcomes(continued) == outcomes(bench.run(whole, name="unbroken"))
    assert len({trial.params["optimizer.learning_rate"] for trial in continued}) == 3


def test_another_seed_draws_other_values(bench: Bench) -> None:
    one = bench.run(sweep_of(RATES, 1), name="one")
    other = bench.run(sweep_of(RATES, 1, seed=1), name="other")
    assert one[0].params != other[0].params


def test_a_bad_learning_rate_is_pruned(bench: Bench) -> None:
    sweep = sweep_of(RATES, 2, epochs=4, objective="val_loss")
    key = "optimizer.learning_rate"
    good, bad = bench.run(sweep, {key: 3e-3}, {key: 1e-4})
    assert good.state == TrialState.COMPLETE
    assert bad.state == TrialState.PRUNED
    assert len(bad.intermediate_values) < len(good.intermediate_values) == 4


def test_untrainable_values_end_the_trial_but_not_the_sweep(bench: Bench) -> None:
    sweep = sweep_of({"weights": {"choices": ["none", "/nowhere/weights.safetensors"]}}, 2)
    values = [{"weights": "/nowhere/weights.safetensors"}, {"weights": "none"}]
    unfit, fit = bench.run(sweep, *values)
    assert unfit.state == TrialState.PRUNED
    assert "Could not load the weights" in unfit.user_attrs["reason"]
    assert fit.state == TrialState.COMPLETE


class BrokenImages(DeviceImages):
    """Images that turn into NaN at the last validation."""

    def __init__(self, images: DeviceImages, validations: int) -> None:
        self.__dict__.update(images.__dict__)
        self.left = validations

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Batch]:
        self.left -= 1
        for batch in super().batches(rows, batch_size):
            yield replace(batch, images=batch.images if self.left else batch.images * torch.nan)


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_a_trial_that_breaks_in_its_last_epoch_does_not_win(bench: Bench, objective: str) -> None:
    key, bad_rate = "optimizer.learning_rate", 2e-3
    sweep = sweep_of(RATES, 2, epochs=2, objective=objective, pruner="none")

    def load_split_data(recipe: Recipe) -> SplitData:
        split_data = tiny_split_data(recipe)
        is_bad = recipe.optimizer.learning_rate == pytest.approx(bad_rate)
        return replace(split_data, images=BrokenImages(split_data.images, 2 if is_bad else 99))

    bad, good = bench.run(sweep, {key: bad_rate}, {key: 1e-3}, load_split_data=load_split_data)
    assert bad.state == TrialState.PRUNED
    assert "diverged in epoch 2" in bad.user_attrs["reason"]
    study, _ = bench.open(sweep)
    assert result_of(sweep, study, "tiny").best.number == good.number


def test_a_sweep_without_a_complete_trial_says_why(bench: Bench) -> None:
    sweep = sweep_of({"weights": {"choices": ["/nowhere/a.pth", "/nowhere/b.pth"]}}, 2)
    bench.run(sweep)
    study, _ = bench.open(sweep)
    with pytest.raises(EUGuessError, match=r"None of 2 trials .*Could not load the weights"):
        result_of(sweep, study, "tiny")


def test_an_interrupted_trial_is_rerun_with_the_same_values(bench: Bench) -> None:
    sweep = sweep_of(RATES, 1)
    study, storage = bench.open(sweep)

    def impatient(recipe: Recipe) -> SplitData:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Worker(sweep, study, storage, impatient, CPU, lambda study: None).run()
    interrupted, again = bench.run(sweep)
    assert interrupted.state == TrialState.FAIL
    assert again.state == TrialState.COMPLETE
    assert again.params == interrupted.params


def test_a_trial_taken_over_by_another_worker_is_left_to_it(bench: Bench) -> None:
    sweep = sweep_of(RATES, 1)
    study, storage = bench.open(sweep)
    silent: list[int] = []

    def load_split_data(recipe: Recipe) -> SplitData:
        if not silent:  # for so long that another worker considers the trial lost
            silent.append(study.trials[-1].number)
            study.tell(silent[0], state=TrialState.FAIL)
        return tiny_split_data(recipe)

    Worker(sweep, study, storage, load_split_data, CPU, lambda study: None).run()
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_worker_waits_for_other_workers_and_runs_no_excess_trial(
    bench: Bench,
) -> None:
    sweep = sweep_of(RATES, 1)
    study, storage = bench.open(sweep)
    other, _ = bench.open(sweep)
    with pytest.warns(UserWarning, match="Heartbeat"):  # the other worker sends no heartbeats
        asked = other.ask()
    study.enqueue_trial({})  # as if both workers had seen one trial left

    def finish(seconds: float) -> None:
        other.tell(asked, 0.5)

    Worker(sweep, study, storage, tiny_split_data, CPU, lambda study: None, wait=finish).run()
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.COMPLETE, TrialState.FAIL]


def test_the_test_part_has_no_influence(bench: Bench) -> None:
    sweep = sweep_of(RATES, 2, objective="val_loss")
    recipe = sweep.recipe_of({})
    split_data = tiny_split_data(recipe)
    hidden = split_data.split.test
    pixels = np.random.default_rng(5).integers(0, 120, (36, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[np.arange(36), :, :, split_data.labels] += 80
    assert len(hidden)
    pixels[hidden] = 255
    images = DeviceImages(pixels, split_data.labels, ImageSpec(size=SIZE), CPU)
    spoilt = replace(split_data, images=images)
    seen = bench.run(sweep, name="seen", load_split_data=lambda recipe: split_data)
    blind = bench.run(sweep, name="spoilt", load_split_data=lambda recipe: spoilt)
    assert outcomes(seen) == outcomes(blind)


def test_each_finished_trial_is_in_the_result(bench: Bench) -> None:
    sweep = sweep_of(RATES, 3, epochs=2)
    trials = bench.run(sweep)
    study, _ = bench.open(sweep)
    result = result_of(sweep, study, "tiny")
    assert [row.number for row in result.trials] == [0, 1, 2]
    assert result.best.value == max(t.value or 0 for t in trials if t.state in FINISHED)
