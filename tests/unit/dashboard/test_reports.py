"""Reports of sweeps and papers are shown as they were written."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dashboard.sources.reports import parts, stored_reports
from tests.support.dashboard_services import FakeServices
from tests.unit.dashboard.conftest import Draw

SWEEP = "# Sweep demo\n\nBest: trial 3\n\n![Trials in order](history.png)\n\n| a | b |\n"
PAPER = "# The study\n\n![Figure 6: training accuracy](figure-6.png)\n\nafter\n\n![x](gone.png)\n"


@pytest.fixture
def with_reports(tmp_path: Path) -> Path:
    for number, (kind, name, text, picture) in enumerate(
        (("sweeps", "demo-1a2b", SWEEP, "history"), ("papers", "demo", PAPER, "figure-6"))
    ):
        folder = tmp_path / kind / name
        folder.mkdir(parents=True)
        (folder / "report.md").write_text(text)
        (folder / "report.html").write_text("<p>report</p>")
        Image.new("RGB", (8, 8)).save(folder / f"{picture}.png")
        os.utime(folder / "report.md", (number, number))
    (tmp_path / "sweeps" / "demo-1a2b" / "best.toml").write_text('name = "best"\n')
    return tmp_path


def test_reports_are_listed_newest_first(with_reports: Path) -> None:
    assert [one.title for one in stored_reports(with_reports)] == [
        "Study on demo",
        "Sweep demo-1a2b",
    ]


def test_pictures_stay_in_their_places_and_missing_ones_are_left_out(with_reports: Path) -> None:
    paper, _ = stored_reports(with_reports)
    found = list(parts(paper))
    assert [part.name for part in found if isinstance(part, Path)] == ["figure-6.png"]
    assert [isinstance(part, Path) for part in found] == [False, True, False, False]


def test_a_sweep_is_shown_with_its_best_recipe_to_download(draw: Draw, with_reports: Path) -> None:
    page = draw("reports", replace(FakeServices().connections(), home=with_reports))
    assert not page.exception
    page = page.selectbox(key="report").set_value("Sweep demo-1a2b").run(timeout=30)
    assert not page.exception
    assert any("Best: trial 3" in text.value for text in page.markdown)
    labels = [getattr(button, "label", "") for button in page.get("download_button")]
    assert labels == ["Report as HTML", "Best recipe"]


def test_without_reports_the_page_names_the_commands(draw: Draw, tmp_path: Path) -> None:
    page = draw("reports", replace(FakeServices().connections(), home=tmp_path))
    assert not page.exception
    assert any("euguess sweep" in code.value for code in page.code)
