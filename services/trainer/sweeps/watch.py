"""Shows how a sweep goes: a bar over trials and a line for each that has finished."""

from dataclasses import dataclass, field

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from services.trainer.display import Display
from services.trainer.progress import Progress
from services.trainer.sweeps.spec import SweepSpec
from services.trainer.sweeps.study import FINISHED
from services.trainer.sweeps.text import objective_text, values_text


@dataclass
class TrialWatch:
    """Tells of each trial once, also of those of other processes, but not of earlier ones."""

    spec: SweepSpec
    display: Display
    bar: Progress
    _told: set[int] | None = field(default=None, init=False)

    def __call__(self, study: Study) -> None:
        trials = study.get_trials(deepcopy=False, states=FINISHED)
        if self._told is None:
            self._told = {trial.number for trial in trials}
            if trials:
                self.display.note(f"Going on: {len(trials)} of {self.spec.trials} trials are done")
        for trial in trials:
            if trial.number not in self._told:
                self._told.add(trial.number)
                self._tell(study, trial)
        self.bar(len(trials), self.spec.trials)

    def _tell(self, study: Study, trial: FrozenTrial) -> None:
        is_complete = trial.state == TrialState.COMPLETE
        is_best = is_complete and study.best_trial.number == trial.number
        state = "  best so far" if is_best else "" if is_complete else "  pruned"
        value = objective_text(self.spec.objective, trial.value)
        self.display.note(f"trial {trial.number:>3}  {value}{state}  {values_text(trial.params)}")
