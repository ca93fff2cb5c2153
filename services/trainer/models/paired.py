"""Paired comparison of two runs, photo by photo where both have the same test photos."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from euguess.images.postprocessing import log_softmax
from euguess.messages.records import Interval, Record
from services.trainer.evaluation.bootstrap import paired_difference
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import LogProbabilities, is_top
from services.trainer.loading.split_data import LabelledSplit, SplitData


class PhotoResults(Record):
    """Contents of a run's answers.json: results by single view, in test set order."""

    location_ids: tuple[str, ...]
    sha256s: tuple[str, ...]
    is_right: tuple[bool, ...]

    def is_of_same_photos(self, other: "PhotoResults") -> bool:
        """Return whether both runs were tested on the same views of the same locations."""
        return (self.location_ids, self.sha256s) == (other.location_ids, other.sha256s)


def photo_results(network: nn.Module, split_data: SplitData) -> PhotoResults:
    """Evaluate a network, which must be in evaluation mode and on the split data's device."""
    rows = split_data.split.test
    return results_of(log_softmax(predict_logits(network, split_data.images, rows)), split_data)


def results_of(log_probabilities: LogProbabilities, views: LabelledSplit) -> PhotoResults:
    """Return the results of predictions for the test views."""
    rows = views.split.test
    is_right = is_top(log_probabilities, views.labels[rows], 1)
    return PhotoResults(
        location_ids=tuple(views.index.location_ids[rows].tolist()),
        sha256s=tuple(views.index.sha256s[rows].tolist()),
        is_right=tuple(is_right.tolist()),
    )


def paired_accuracy_difference(first: PhotoResults, second: PhotoResults) -> Interval | None:
    """Return the paired difference with its interval; None if the test photos differ."""
    if not first.is_of_same_photos(second):
        return None
    places = np.array(first.location_ids)
    return paired_difference(first.is_right, second.is_right, places)


@dataclass(frozen=True)
class CommonPhotos:
    """Difference of two runs on the photos that both were tested on, and the second's accuracy."""

    photos: int
    interval: Interval
    second: float


def common_photos_difference(first: PhotoResults, second: PhotoResults) -> CommonPhotos | None:
    """Return the paired difference on common photos; None if there are none."""
    known = dict(zip(_names(second), second.is_right, strict=True))
    pairs = [
        (place, is_right, known[place, sha256])
        for (place, sha256), is_right in zip(_names(first), first.is_right, strict=True)
        if (place, sha256) in known
    ]
    if not pairs:
        return None
    places, a, b = zip(*pairs, strict=True)
    return CommonPhotos(len(pairs), paired_difference(a, b, np.array(places)), float(np.mean(b)))


def _names(results: PhotoResults) -> list[tuple[str, str]]:
    return list(zip(results.location_ids, results.sha256s, strict=True))


def unpaired_difference(first: Interval, second: Interval) -> Interval:
    """Return the difference of two measurements on different, independent photos.

    Newcombe's hybrid of two intervals, which Zou and Donner (Statistics in Medicine, 2008) call
    MOVER.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - float(below), high=value + float(above))
