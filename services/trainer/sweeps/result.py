"""The result of a sweep as a record; does not import torch."""

import warnings
from typing import Literal

from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from euguess.errors import EUGuessError
from euguess.messages.records import Record
from services.trainer.sweeps.spec import Sweep, Value
from services.trainer.sweeps.study import FINISHED

MIN_TRIALS_FOR_IMPORTANCE = 4  # complete trials; with fewer, importances mean nothing
State = Literal["complete", "pruned"]


class TrialRow(Record):
    """One trial; value is None if it finished no epoch."""

    number: int
    state: State
    value: float | None
    epochs: int
    seconds: float
    values: dict[str, Value]
    reason: str | None = None


class SweepResult(Record):
    """All finished trials by number, the best one, and the keys by importance."""

    name: str
    study: str
    dataset: str
    objective: str
    recipe_name: str
    protocol: str
    wanted: int
    log_keys: tuple[str, ...]
    trials: tuple[TrialRow, ...]
    best: TrialRow
    importances: dict[str, float]

    @property
    def complete(self) -> tuple[TrialRow, ...]:
        return tuple(trial for trial in self.trials if trial.state == "complete")

    @property
    def pruned(self) -> tuple[TrialRow, ...]:
        return tuple(trial for trial in self.trials if trial.state == "pruned")

    @property
    def is_higher_better(self) -> bool:
        return self.objective == "val_accuracy"


def result_of(sweep: Sweep, study: Study, dataset: str) -> SweepResult:
    """Collect the result of a study. Raises EUGuessError when no trial completed."""
    rows = tuple(_row(trial) for trial in study.get_trials(deepcopy=False, states=FINISHED))
    if not any(row.state == "complete" for row in rows):
        reasons = [row.reason for row in rows if row.reason]
        raise EUGuessError(
            f"None of {len(rows)} trials completed"
            + (f" ({reasons[0]})" if reasons else "")
            + ". Narrow the ranges of the space."
        )
    space = sweep.spec.space
    return SweepResult(
        name=sweep.spec.name,
        study=study.study_name,
        dataset=dataset,
        objective=sweep.spec.objective,
        recipe_name=sweep.base.name,
        protocol=sweep.base.split.protocol.value,
        wanted=sweep.spec.trials,
        log_keys=tuple(key for key, parameter in space.items() if parameter.log),
        trials=rows,
        best=next(row for row in rows if row.number == study.best_trial.number),
        importances=_importances(study),
    )


def _row(trial: FrozenTrial) -> TrialRow:
    return TrialRow(
        number=trial.number,
        state="complete" if trial.state == TrialState.COMPLETE else "pruned",
        value=trial.value,
        epochs=len(trial.intermediate_values),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        values=dict(trial.params),
        reason=trial.user_attrs.get("reason"),
    )


def _importances(study: Study) -> dict[str, float]:
    """Return the importance of each key (PED-ANOVA, Watanabe et al., 2023).

    Empty if trials are too few or too similar.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS_FOR_IMPORTANCE:
        return {}
    from optuna.importance import get_param_importances  # scikit-learn takes seconds to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("error", UserWarning)
        try:
            return dict(get_param_importances(study))
        except UserWarning:  # too many trials are equally good
            return {}
