"""Finished runs are reused only if they measured the same in the same way."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from euguess.training.report import Report
from euguess.training.runs import FIGURES_TAG
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.progress import ProgressDisplay
from services.trainer.runs import reuse
from services.trainer.runs.experiment import RunRequest
from services.trainer.runs.reuse import measured
from services.trainer.session import Session
from tests.support.generated_reports import generated_report
from tests.support.tiny_training import COUNTRIES, tiny_cache, tiny_index, tiny_recipe

CACHE = tiny_cache(tiny_index(6))
OLD, NEW = (generated_report(COUNTRIES, seed=seed) for seed in (0, 1))


class FakeTracking:
    """Knows one finished run, with the report OLD."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self.tags = tags

    def finished(self, tags: Mapping[str, str]) -> list[str]:
        return ["run"] if tags.items() <= self.tags.items() else []

    def fetch(self, run_id: str, name: str, folder: Path) -> Path:
        path = folder / name
        path.write_text(OLD.model_dump_json())
        return path


def reported(version: int | None, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Measure a recipe that a run of this version of the figures has measured before."""
    recipe = tiny_recipe()
    tags = {"recipe_digest": recipe.digest, "manifest_digest": CACHE.header.manifest_digest}
    if version is not None:
        tags[FIGURES_TAG] = str(version)
    display = ProgressDisplay(Console(quiet=True))
    session = cast(Session, SimpleNamespace(tracking=FakeTracking(tags), display=display))
    monkeypatch.setattr(reuse, "load_cache", lambda *args, **options: CACHE)
    monkeypatch.setattr(reuse, "run_experiment", lambda *args: SimpleNamespace(report=NEW))
    report, is_reused = measured(RunRequest("tiny", recipe, is_registered=False), session)
    assert is_reused is (report == OLD)
    return report


def test_a_run_of_this_version_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported(FIGURES_VERSION, monkeypatch) == OLD


@pytest.mark.parametrize("version", [None, FIGURES_VERSION - 1])
def test_a_run_of_an_earlier_version_is_measured_anew(
    version: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reported(version, monkeypatch) == NEW
