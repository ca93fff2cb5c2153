"""Reuse of finished runs of a recipe on the same state of a dataset, by the same measurement."""

import tempfile
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from euguess.errors import InvalidInput
from euguess.training.report import Report
from euguess.training.runs import FIGURES_TAG, REPORT_FILE
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.runs.experiment import RunRequest, run_experiment
from services.trainer.session import Session, load_cache


def measured(request: RunRequest, session: Session) -> tuple[Report, bool]:
    """Return the report of the newest finished run or of a new one, and whether it was reused.

    An interrupted run is resumed.
    """
    report = _finished(request, session)
    if report is not None:
        session.display.note(f"Reusing run {report.run_id}")
        return report, True
    return run_experiment(replace(request, is_resumed=True), session).report, False


def stored_report(run_id: str, name: str, session: Session) -> Report | None:
    """Return a run's report of that name; None if it is missing or has another format."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = session.tracking.fetch(run_id, name, Path(folder))
            return Report.model_validate_json(path.read_text())
        except (InvalidInput, ValidationError):
            return None


def _finished(request: RunRequest, session: Session) -> Report | None:
    cache = load_cache(request.dataset, request.recipe.image, session, on_damage=request.on_damage)
    tags = {
        "recipe_digest": request.recipe.digest,
        "manifest_digest": cache.header.manifest_digest,
        FIGURES_TAG: str(FIGURES_VERSION),
    }
    for run_id in session.tracking.finished(tags):
        has_model = not request.is_registered or session.registry.version_of(run_id) is not None
        report = stored_report(run_id, REPORT_FILE, session) if has_model else None
        if report is not None:
            return report
    return None
