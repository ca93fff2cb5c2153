"""Markdown tables: broken ones are found, and no page of the project has one."""

from pathlib import Path

import pytest

from docs.tools.tables import broken_tables

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)
)
WHOLE = "| a | b |\n|---|---|\n| 1 | 2 |"


def test_a_whole_table_has_no_fault() -> None:
    assert broken_tables(f"Text.\n\n{WHOLE}\n\nText.") == []


def test_a_table_that_a_paragraph_splits_is_found() -> None:
    (fault,) = broken_tables(f"{WHOLE}\n\nA paragraph.\n| 3 | 4 |\n| 5 | 6 |\n")
    assert fault.startswith("line 6: a table row without a header")


@pytest.mark.parametrize(("row", "cells"), [("| 3 |", 1), ("| 3 | 4 | 5 |", 3)])
def test_a_row_of_another_width_is_found(row: str, cells: int) -> None:
    assert broken_tables(f"{WHOLE}\n{row}") == [f"line 4: {cells} cells, but the header has 2"]


def test_an_escaped_bar_belongs_to_its_cell() -> None:
    assert broken_tables(f"{WHOLE}\n| a \\| b | 2 |") == []


def test_bars_inside_a_code_block_are_no_table() -> None:
    assert broken_tables("```\n| not a table |\n```") == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_page_has_whole_tables(path: Path) -> None:
    assert broken_tables(path.read_text()) == []
