"""Cells of CSV files that no spreadsheet runs."""

import pytest

from euguess.collection.spreadsheet import cell, text_of


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1", "-abc_pano"],
)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1.5", "+3", "-2e-7", -1.5, None, "a=b", "", "FR", "2024-05"])
def test_numbers_and_other_text_stay_as_they_are_in_a_cell(value: object) -> None:
    assert cell(value) == value


@pytest.mark.parametrize("text", ["=1+1", "'=1", "''-2", "'quoted'", "-1.5", "'-1.5", "plain", ""])
def test_text_comes_back_from_its_cell(text: str) -> None:
    assert text_of(str(cell(text))) == text
