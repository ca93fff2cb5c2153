"""Text that comes from data, made safe for Streamlit's Markdown."""

import re

from euguess.messages.records import Interval

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
_LINKED = re.compile(r"(:(?=[^\s\d])|www(?=\.)|@(?=\S))", re.IGNORECASE)
_JOINER = "\N{WORD JOINER}"  # has no width


def plain(text: object) -> str:
    """The text with every character of Markdown escaped, so that it shows as it is.

    Addresses, icons and emoji are found after the escapes are undone: a joiner breaks these.
    """
    joined = _LINKED.sub(rf"\1{_JOINER}", " ".join(str(text).split()))
    return _MARKUP.sub(r"\\\1", joined)


def duration(seconds: float) -> str:
    """As 40 s, 12 min or 3.5 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def percent(interval: Interval) -> str:
    """A share with its interval, as 61.2 % [55, 67]."""
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % [{low:.0f}, {high:.0f}]"
