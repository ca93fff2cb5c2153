"""Text from data, and plain words for numbers."""

import pytest

from dashboard.pace import WINDOW_SECONDS, Pace
from dashboard.text import duration, plain


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "![x](http://evil)", "**a** _b_ `c`", ":red[x] $y$ # z", "a\\b", "&lt;"]
)
def test_no_character_of_markdown_is_left_unescaped(text: str) -> None:
    escaped = plain(text)
    assert escaped.replace("\\", "") == text.replace("\\", "")
    for position, character in enumerate(escaped):
        if character in "<>*_`[]()!:$#&":
            assert escaped[position - 1] == "\\"


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_pace_is_that_of_the_last_minute() -> None:
    pace = Pace()
    pace.note("demo", 0.0, 0)
    assert pace.per_second("demo") is None
    pace.note("demo", 10.0, 500)
    assert pace.per_second("demo") == 50
    pace.note("demo", WINDOW_SECONDS + 10.0, 500)
    assert pace.per_second("demo") == 0


def test_a_dataset_that_is_made_again_starts_a_new_pace() -> None:
    pace = Pace()
    pace.note("demo", 0.0, 100)
    pace.note("demo", 1.0, 0)
    assert pace.per_second("demo") is None
