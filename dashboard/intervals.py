"""The interval of a share, where nothing but its counts is known."""

import math

from euguess.messages.records import Interval

NORMAL_975 = 1.959964  # of the standard normal distribution, for 95 %


def wilson(right: float, total: int) -> Interval:
    """A share with its 95 % score interval (Wilson, J. Am. Stat. Assoc. 22, 1927); total >= 1."""
    share, square = right / total, NORMAL_975**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    half = NORMAL_975 * spread / (1 + square / total)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))
