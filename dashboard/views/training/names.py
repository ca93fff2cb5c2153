"""The names of training runs on their page."""

from euguess.training.runs import TrainingRun

MARKS = {"RUNNING": "● running", "FAILED": "✕ failed", "KILLED": "◼ stopped"}


def stable_name(run: TrainingRun) -> str:
    """Return recipe, dataset, split and start time, which never change.

    A select widget loses its selection when the names of its options change.
    """
    return f"{run.recipe}, {run.dataset}, {run.protocol}, {run.started_at:%d %b %H:%M:%S}"


def name_with_status(run: TrainingRun) -> str:
    """Return the stable name, with the status unless the run has finished."""
    mark = MARKS.get(run.status)
    return f"{stable_name(run)}, {mark}" if mark else stable_name(run)
