"""How the page of trainings names a run."""

from euguess.training.runs import TrainingRun

MARKS = {"RUNNING": "● running", "FAILED": "✕ failed", "KILLED": "◼ stopped"}


def stable_name(run: TrainingRun) -> str:
    """Recipe, dataset, split and start: what never changes.

    A widget of choices whose names change while it is open loses those that are chosen.
    """
    return f"{run.recipe}, {run.dataset}, {run.protocol}, {run.started_at:%d %b %H:%M:%S}"


def name_with_status(run: TrainingRun) -> str:
    """The same, and what became of it unless it finished."""
    mark = MARKS.get(run.status)
    return f"{stable_name(run)}, {mark}" if mark else stable_name(run)
