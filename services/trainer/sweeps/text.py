"""How objectives and values are written for people."""

import json
from collections.abc import Mapping

from services.trainer.sweeps.spec import Value


def objective_text(objective: str, value: float | None) -> str:
    """An accuracy or a loss on val, in words."""
    if value is None:
        return "no epoch finished"
    name = "val accuracy" if objective == "val_accuracy" else "val loss"
    return f"{name} {figure_text(objective, value)}"


def figure_text(objective: str, value: float) -> str:
    """The same without its name."""
    return f"{value:.1%}" if objective == "val_accuracy" else f"{value:.4g}"


def values_text(values: Mapping[str, Value]) -> str:
    """Values of a trial in one line."""
    return ", ".join(f"{key} {value_text(value)}" for key, value in values.items())


def value_text(value: Value) -> str:
    """One value of a key."""
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
