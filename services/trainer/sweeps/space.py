"""Check the search space of a sweep, and draw the values of each trial from it."""

from functools import reduce
from typing import cast

from optuna import Trial

from euguess.errors import InvalidRecipe
from services.trainer.sweeps.spec import Sweep, Value, changed

SPLIT = "split."
NO_VALIDATION = "faults.no_validation"


def check_space(sweep: Sweep) -> None:
    """Raise InvalidRecipe, naming the key, if a trial could get an invalid recipe."""
    for key, parameter in sweep.spec.space.items():
        reason = _reason_against(sweep, key)
        if reason:
            raise InvalidRecipe(f"space.{key} cannot be searched: {reason}.")
        for value in parameter.extremes:
            _check_value(sweep, key, value)


def draw_values(trial: Trial, sweep: Sweep) -> dict[str, Value]:
    """Draw a value for each key of the space."""
    return {key: _draw(trial, sweep, key) for key in sweep.spec.space}


def is_whole(sweep: Sweep, key: str) -> bool:
    """Return whether the key takes integers, judging by the base recipe's value."""
    value: object = reduce(getattr, key.split("."), sweep.base)
    return isinstance(value, int) and not isinstance(value, bool)


def _draw(trial: Trial, sweep: Sweep, key: str) -> Value:
    parameter = sweep.spec.space[key]
    if parameter.choices:
        return cast(Value, trial.suggest_categorical(key, parameter.choices))
    low, high = parameter.bounds
    if is_whole(sweep, key):
        return trial.suggest_int(key, int(low), int(high), log=parameter.log)
    return trial.suggest_float(key, low, high, log=parameter.log)


def _reason_against(sweep: Sweep, key: str) -> str | None:
    if key.startswith(SPLIT):
        return "trials scored on different places cannot be compared"
    if key == NO_VALIDATION:
        return "a sweep needs a validation set to judge its trials"
    if key == "epochs" and sweep.spec.epochs is not None:
        return "the sweep sets epochs for all trials; remove one of the two"
    return "it has no effect" if key == "name" else None


def _check_value(sweep: Sweep, key: str, value: Value) -> None:
    try:
        changed(sweep.base, {key: value})
    except InvalidRecipe as error:
        raise InvalidRecipe(f"space.{key} = {value!r}: {error}") from None
