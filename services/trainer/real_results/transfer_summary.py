"""Summarise transfer over seeds, with intervals over places and paired differences."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from euguess.messages.records import Interval, Record
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.bootstrap import (
    bootstrap_interval,
    macro_recall_interval,
    paired_difference,
)
from services.trainer.evaluation.calibration import expected_calibration_error
from services.trainer.evaluation.metrics import LogProbabilities, is_top
from services.trainer.real_results.transfer import ALL, TransferPredictions

BASELINE = "layers-unit-length"  # the best head within one collection


class TransferLine(Record):
    """One recipe, trained on a dataset or on all, and tested on one or on all."""

    recipe: str
    trained_on: str
    tested_on: str
    places: int
    unknown: int  # places in countries without training places, which are not counted
    top1: Interval
    top5: Interval
    macro_recall: Interval
    ece: float
    set_coverage: Interval
    set_size: Interval
    top1_over_baseline: Interval | None
    macro_over_baseline: Interval | None


class DatasetShare(Record):
    """The part of one dataset in the training and test places, over all seeds."""

    dataset: str
    test_share: float  # of the distinct test places
    test_places: int
    countries: int  # of its test places


class TransferResults(Record):
    """The results file of several datasets."""

    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    shares: tuple[DatasetShare, ...]
    lines: tuple[TransferLine, ...]
    left_out: tuple[str, ...]


def summarise_transfer(
    answers: Sequence[TransferPredictions], left_out: Sequence[str]
) -> TransferResults:
    """Summarise the answers of all recipes, seeds and training sets."""
    datasets = tuple(str(name) for name in np.unique(answers[0].datasets))
    recipes = tuple(dict.fromkeys(one.recipe for one in answers))
    lines = [
        _line(answers, recipe, trained_on, tested_on)
        for trained_on, tested_on, recipe in product((*datasets, ALL), (*datasets, ALL), recipes)
    ]
    return TransferResults(
        datasets=datasets,
        seeds=tuple(sorted({one.seed for one in answers})),
        shares=tuple(_share(answers, name) for name in datasets),
        lines=tuple(lines),
        left_out=tuple(left_out),
    )


class _Tested:
    """The test places of all seeds in one cell, known countries only."""

    def __init__(self, answers: Sequence[TransferPredictions], tested_on: str) -> None:
        used = [
            one.is_known & ((one.datasets == tested_on) | (tested_on == ALL)) for one in answers
        ]
        pairs = list(zip(answers, used, strict=True))
        self.ids: Strings = np.concatenate([one.location_ids[rows] for one, rows in pairs])
        self.labels: Rows = np.concatenate([one.labels[rows] for one, rows in pairs])
        self.log_probabilities: LogProbabilities = np.concatenate(
            [one.log_probabilities[rows] for one, rows in pairs]
        )
        self.sets = np.concatenate([one.sets[rows] for one, rows in pairs])

    def hits(self, k: int) -> Floats:
        return is_top(self.log_probabilities, self.labels, k).astype(np.float64)


def _line(
    answers: Sequence[TransferPredictions], recipe: str, trained_on: str, tested_on: str
) -> TransferLine:
    of_training = [one for one in answers if one.trained_on == trained_on]
    mine = _Tested([one for one in of_training if one.recipe == recipe], tested_on)
    others = [one for one in of_training if one.recipe == BASELINE]
    baseline = _Tested(others, tested_on) if others and recipe != BASELINE else None
    ids, labels, hits = mine.ids, mine.labels, mine.hits(1)
    return TransferLine(
        recipe=recipe,
        trained_on=trained_on,
        tested_on=tested_on,
        places=len(np.unique(ids)),
        unknown=_unknown(of_training, tested_on),
        top1=bootstrap_interval(hits, ids),
        top5=bootstrap_interval(mine.hits(5), ids),
        macro_recall=macro_recall_interval(hits, labels, ids),
        ece=expected_calibration_error(mine.log_probabilities, labels),
        set_coverage=bootstrap_interval(mine.sets[np.arange(len(labels)), labels], ids),
        set_size=bootstrap_interval(mine.sets.sum(axis=1), ids),
        top1_over_baseline=baseline and paired_difference(hits, baseline.hits(1), ids),
        macro_over_baseline=baseline
        and macro_recall_interval(hits - baseline.hits(1), labels, ids),
    )


def _unknown(answers: Sequence[TransferPredictions], tested_on: str) -> int:
    unknown = [
        one.location_ids[~one.is_known & ((one.datasets == tested_on) | (tested_on == ALL))]
        for one in answers
    ]
    return len(np.unique(np.concatenate(unknown)))


def _share(answers: Sequence[TransferPredictions], dataset: str) -> DatasetShare:
    ids = np.concatenate([one.location_ids for one in answers])
    mine = np.concatenate([one.datasets for one in answers]) == dataset
    labels = np.concatenate([one.labels for one in answers])
    places = len(np.unique(ids[mine]))
    return DatasetShare(
        dataset=dataset,
        test_share=places / len(np.unique(ids)),
        test_places=places,
        countries=len(np.unique(labels[mine])),
    )
