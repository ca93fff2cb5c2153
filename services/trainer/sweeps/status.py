"""Status of a sweep: a bar over trials, and a line for each finished trial."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from services.trainer.progress import Progress, ProgressDisplay
from services.trainer.sweeps.spec import SweepSpec, Value
from services.trainer.sweeps.study import FINISHED


@dataclass
class SweepStatus:
    """Prints each newly finished trial once, whichever process ran it."""

    spec: SweepSpec
    display: ProgressDisplay
    bar: Progress
    _shown: set[int] | None = field(default=None, init=False)

    def __call__(self, study: Study) -> None:
        trials = study.get_trials(deepcopy=False, states=FINISHED)
        if self._shown is None:
            self._shown = {trial.number for trial in trials}
            if trials:
                self.display.note(f"Resuming: {len(trials)} of {self.spec.trials} trials are done")
        for trial in trials:
            if trial.number not in self._shown:
                self._shown.add(trial.number)
                self._show(study, trial)
        self.bar(len(trials), self.spec.trials)

    def _show(self, study: Study, trial: FrozenTrial) -> None:
        is_complete = trial.state == TrialState.COMPLETE
        is_best = is_complete and study.best_trial.number == trial.number
        state = "  best so far" if is_best else "" if is_complete else "  pruned"
        value = objective_text(self.spec.objective, trial.value)
        self.display.note(f"trial {trial.number:>3}  {value}{state}  {values_text(trial.params)}")


def objective_text(objective: str, value: float | None) -> str:
    """Format an accuracy or a loss on val, with its name."""
    if value is None:
        return "no epoch finished"
    name = "val accuracy" if objective == "val_accuracy" else "val loss"
    return f"{name} {figure_text(objective, value)}"


def figure_text(objective: str, value: float) -> str:
    """Format an accuracy or a loss without its name."""
    return f"{value:.1%}" if objective == "val_accuracy" else f"{value:.4g}"


def values_text(values: Mapping[str, Value]) -> str:
    """Format the values of a trial on one line."""
    return ", ".join(f"{key} {value_text(value)}" for key, value in values.items())


def value_text(value: Value) -> str:
    """Format the value of one key."""
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
