"""Two runs' accuracies against each other, photo by photo where both saw the same test part."""

import numpy as np

from euguess.messages.records import Interval
from services.trainer.evaluation.bootstrap import paired_difference
from services.trainer.models.paired import Answers


def photo_by_photo(first: Answers, second: Answers) -> Interval | None:
    """Paired difference with its interval over places; None on different test photos."""
    if not first.is_of_same_photos(second):
        return None
    places = np.array(first.location_ids)
    return paired_difference(first.is_right, second.is_right, places)


def unpaired_difference(first: Interval, second: Interval) -> Interval:
    """Difference of two measurements on different photos, as if these were independent.

    Newcombe's hybrid of two intervals, which Zou and Donner (Statistics in Medicine, 2008) call
    MOVER.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - float(below), high=value + float(above))
