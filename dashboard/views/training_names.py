"""How the page of trainings names a run."""

from euguess.runs import TrainingRun

MARKS = {"RUNNING": "● running", "FAILED": "✕ failed", "KILLED": "◼ stopped"}


def name_of(run: TrainingRun) -> str:
    """Recipe, dataset, split, start, and what became of it unless it finished."""
    facts = [run.recipe, run.dataset, run.protocol, f"{run.started_at:%d %b %H:%M:%S}"]
    mark = MARKS.get(run.status)
    return ", ".join([*facts, mark] if mark else facts)
