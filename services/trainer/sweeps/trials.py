"""A worker of a sweep: runs trials until the study has the requested number."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from optuna import Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import TrialState

from euguess.errors import EUGuessError, InvalidRecipe
from euguess.training.recipes.recipe import Recipe
from services.trainer.loading.split_data import SplitData
from services.trainer.progress import EpochResult
from services.trainer.sweeps.space import draw_values
from services.trainer.sweeps.spec import Sweep, Values
from services.trainer.sweeps.study import (
    COUNTED,
    FINISHED,
    STARTED,
    StudyStorage,
    count,
    free_lost_trials,
    run_again,
)
from services.trainer.training.driver import new_training
from services.trainer.training.loop import TrainingState

POLL_SECONDS = 0.5
REASON, EPOCH = "reason", "best_epoch"  # attributes of trials

Watch = Callable[[Study], None]


class ExcessTrial(Exception):
    """The later of two trials that started at the same time when only one was left."""


class UntrainableValues(Exception):
    """Training fails with these values; the message says why."""


@dataclass
class Worker:
    """Runs trials of a sweep in one process, until the sweep is done."""

    sweep: Sweep
    study: Study
    storage: StudyStorage
    load_split_data: Callable[[Recipe], SplitData]
    device: torch.device
    watch: Watch
    wait: Callable[[float], None] = time.sleep
    _number: int | None = field(default=None, init=False)

    def run(self) -> None:
        """Run trials until the requested number has finished, here or elsewhere."""
        while count(self.study, FINISHED) < self.sweep.spec.trials:
            self.watch(self.study)
            free_lost_trials(self.study, self.storage)
            if self._is_work_left():
                self._run_one()
            else:
                self.wait(POLL_SECONDS)
        self.watch(self.study)

    def _is_work_left(self) -> bool:
        is_waiting = count(self.study, (TrialState.WAITING,)) > 0
        return is_waiting or count(self.study, COUNTED) < self.sweep.spec.trials

    def _run_one(self) -> None:
        try:
            self.study.optimize(self._objective, n_trials=1, catch=(ExcessTrial,))
        except (UpdateFinishedTrialError, ValueError):
            if not self._was_taken_over():
                raise

    def _was_taken_over(self) -> bool:
        """Return whether another worker took the trial because this one sent no heartbeat."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        return any(trial.number == self._number for trial in trials)

    def _objective(self, trial: Trial) -> float:
        self._number = trial.number
        if self._is_excess(trial):
            raise ExcessTrial
        values = draw_values(trial, self.sweep)
        trial.set_user_attr(STARTED, trial.number)
        try:
            recipe = self._recipe(values)
            best = self._trained(trial, recipe, self.load_split_data(recipe))
        except (UntrainableValues, torch.OutOfMemoryError) as error:
            trial.set_user_attr(REASON, str(error).splitlines()[0])
            raise TrialPruned from None
        except KeyboardInterrupt:
            run_again(self.study, self.study.trials[trial.number])
            raise
        trial.set_user_attr(EPOCH, best.epoch + 1)
        return self._value(best)

    def _is_excess(self, trial: Trial) -> bool:
        """Return whether trials with lower numbers already make up the requested number."""
        others = self.study.get_trials(deepcopy=False, states=COUNTED)
        return sum(other.number < trial.number for other in others) >= self.sweep.spec.trials

    def _recipe(self, values: Values) -> Recipe:
        try:
            return self.sweep.recipe_of(values)
        except InvalidRecipe as error:  # each value is valid alone, but not in combination
            raise UntrainableValues(str(error)) from None

    def _trained(self, trial: Trial, recipe: Recipe, split_data: SplitData) -> EpochResult:
        """Train, and return the epoch whose weights `euguess train` would keep."""

        def judge(state: TrainingState) -> None:
            newest = state.history[-1]
            value = self._value(newest)
            trial.report(value, newest.epoch + 1)
            if trial.should_prune():
                raise TrialPruned

        try:
            return new_training(recipe, split_data, self.device).run(after_epoch=judge).best
        except EUGuessError as error:
            raise UntrainableValues(str(error)) from None

    def _value(self, result: EpochResult) -> float:
        by_accuracy = self.sweep.spec.objective == "val_accuracy"
        return result.val_accuracy if by_accuracy else result.val_loss
