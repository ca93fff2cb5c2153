"""Text for pages: data made safe for Streamlit's Markdown, and formatted numbers."""

import re

from euguess.geography.countries import COUNTRIES
from euguess.messages.records import Interval

_COUNTRY_NAMES = {country.code: country.name for country in COUNTRIES}
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
_LINKED = re.compile(r"(:(?=[^\s\d])|www(?=\.)|@(?=\S))", re.IGNORECASE)
_JOINER = "\N{WORD JOINER}"  # has no width


def plain(text: object) -> str:
    """Escape every Markdown character of a text, so that it is shown literally.

    Streamlit detects addresses, icons and emoji after it has undone the escapes; a word joiner
    prevents that.
    """
    joined = _LINKED.sub(rf"\1{_JOINER}", " ".join(str(text).split()))
    return _MARKUP.sub(r"\\\1", joined)


def country_name(code: str) -> str:
    """Return the English name of a country, or the code if it is unknown."""
    return _COUNTRY_NAMES.get(code, code)


def duration(seconds: float) -> str:
    """Format a duration, such as 40 s, 12 min or 3.5 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """Format a count with its noun, such as 1 place or 1,200 places."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(interval: Interval) -> str:
    """Format a share with its interval, such as 61.2% [55, 67]."""
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f}% [{low:.0f}, {high:.0f}]"
