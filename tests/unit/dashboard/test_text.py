"""Escaped text and formatted numbers."""

import pytest

from dashboard.text import duration, plain
from dashboard.views.overview.rate import WINDOW_SECONDS, CollectionRate

JOINER = "\N{WORD JOINER}"


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "![x](http://evil)", "**a** _b_ `c`", ":red[x] $y$ # z", "a\\b", "&lt;"]
)
def test_every_markdown_character_is_escaped(text: str) -> None:
    escaped = plain(text)
    seen = escaped.replace("\\", "").replace(JOINER, "")
    assert seen == text.replace("\\", "")
    for position, character in enumerate(escaped):
        if character in "<>*_`[]()!:$#&":
            assert escaped[position - 1] == "\\"


@pytest.mark.parametrize(
    "text",
    ["http://evil.example", "https://x", "www.x.de", "a@x.de", ":material/home:", ":smile:"],
)
def test_addresses_icons_and_emoji_are_broken_invisibly(text: str) -> None:
    shown = plain(text).replace("\\", "")  # as after parsing, when they are looked for
    assert text not in shown
    assert shown.replace(JOINER, "") == text


def test_times_and_plain_names_have_no_joiner() -> None:
    assert JOINER not in plain("demo 2026-02-03 12:30:05: no network")


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_durations_have_a_readable_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_is_that_of_the_last_minute() -> None:
    rate = CollectionRate()
    rate.add("demo", 0.0, 0)
    assert rate.per_second("demo") is None
    rate.add("demo", 10.0, 500)
    assert rate.per_second("demo") == 50
    rate.add("demo", WINDOW_SECONDS + 10.0, 500)
    assert rate.per_second("demo") == 0


def test_a_recreated_dataset_starts_a_new_rate() -> None:
    rate = CollectionRate()
    rate.add("demo", 0.0, 100)
    rate.add("demo", 1.0, 0)
    assert rate.per_second("demo") is None
