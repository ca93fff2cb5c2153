"""Confidence intervals of shares that are known by their counts only."""

import math

from euguess.messages.records import Interval

NORMAL_975 = 1.959964  # of the standard normal distribution, for 95%


def wilson(right: float, total: int) -> Interval:
    """Return a share with its 95% score interval (Wilson, J. Am. Stat. Assoc. 22, 1927).

    total must be at least 1.
    """
    share, square = right / total, NORMAL_975**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    half = NORMAL_975 * spread / (1 + square / total)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))
