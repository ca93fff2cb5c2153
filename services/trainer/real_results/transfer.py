"""Measure what heads learn from one dataset for places of another.

A seed splits the places of all datasets together. Heads that were trained on one dataset and on all
of them are tested on the same places.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from euguess.geography.countries import country
from euguess.images.postprocessing import calibration_for, country_sets, tempered
from euguess.messages.serving import ModelCountry
from euguess.training.recipes.head_recipe import HeadRecipe
from services.trainer.dataset.view_index import Rows, Strings, ViewIndex
from services.trainer.evaluation.certainty import Calibration, fit_calibration
from services.trainer.evaluation.metrics import LogProbabilities, fuse_views
from services.trainer.heads.scaling import Block
from services.trainer.heads.selection import ChosenHead, EmbeddedViews, choose_head
from services.trainer.loading.split_data import (
    LabelledSplit,
    first_views,
    hashed_views,
    label_order,
    subset,
)
from services.trainer.real_results.measure import Benchmark, seeded
from services.trainer.splits.splits import Split, split_views

ALL = "all datasets"  # no dataset has a space in its name
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class TransferPredictions:
    """Predictions of one head for all test places, one row per place, all its views fused."""

    recipe: str
    trained_on: str  # a dataset, or ALL
    seed: int
    location_ids: Strings
    datasets: Strings
    labels: Rows
    is_known: NDArray[np.bool_]  # places in countries that were trained on
    log_probabilities: LogProbabilities  # calibrated
    sets: NDArray[np.bool_]  # (places, countries): the country sets


def measure_transfer(
    heads: Sequence[HeadRecipe], benchmarks: Sequence[Benchmark]
) -> Iterator[TransferPredictions]:
    """Train each head with each seed on each dataset and on all, and test it on all."""
    names = [benchmark.dataset for benchmark in benchmarks]
    for seed in SEEDS:
        for head in (seeded(head, seed) for head in heads):
            joined = join_views(head, benchmarks)
            for trained_on in (*names, ALL):
                benchmarks[0].session.display.note(
                    f"seed {seed}  {head.name}, trained on {trained_on}"
                )
                yield answer(head, joined, trained_on)


def join_views(recipe: HeadRecipe, benchmarks: Sequence[Benchmark]) -> EmbeddedViews:
    """Return the views of all datasets with features and one split over all their places."""
    indices, blocks = [], []
    for benchmark in benchmarks:
        every = hashed_views(benchmark.caches(recipe.image))
        rows = first_views(every, recipe.views)
        indices.append(_named(subset(every, rows), benchmark.dataset))
        blocks.append([block[rows] for block in _blocks(recipe, benchmark)])
    index = _joined(indices)
    codes = label_order(index.countries)
    views = LabelledSplit(
        dataset=" and ".join(benchmark.dataset for benchmark in benchmarks),
        manifest_digest="",
        index=index,
        countries=tuple(ModelCountry(country_code=c, name=country(c).name) for c in codes),
        labels=index.labels(tuple(codes)),
        split=split_views(index, recipe.split.spec),
    )
    return EmbeddedViews(views, tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def answer(recipe: HeadRecipe, joined: EmbeddedViews, trained_on: str) -> TransferPredictions:
    """Train a head on one dataset or on all, and test it on the test places of all."""
    views, test = joined.views, joined.views.split.test
    learnt = replace(views, split=_part(views, trained_on))
    chosen = choose_head(EmbeddedViews(learnt, joined.blocks), recipe.head, recipe.seed)
    single = chosen.head.log_probabilities(chosen.features(joined.blocks, test))
    ids = views.index.location_ids[test]
    fused = fuse_views(single, ids, views=len(test))
    labels = views.labels[test][fused.first_rows]
    counts = np.unique(ids, return_counts=True)[1]
    answers = _calibrated(fused.log_probabilities, counts, _calibration(learnt, chosen))
    trained = views.labels[np.concatenate([learnt.split.train, learnt.split.val])]
    return TransferPredictions(
        recipe=recipe.name,
        trained_on=trained_on,
        seed=recipe.seed,
        location_ids=fused.location_ids,
        datasets=_datasets(fused.location_ids),
        labels=labels,
        is_known=np.isin(labels, trained),
        log_probabilities=answers[0],
        sets=answers[1],
    )


def _blocks(recipe: HeadRecipe, benchmark: Benchmark) -> Iterator[Block]:
    for backbone in recipe.backbones:
        yield from benchmark.features_of(backbone, recipe.image)


def _part(views: LabelledSplit, trained_on: str) -> Split:
    """Return the split with only the training and val views of one dataset, or of all."""
    split = views.split
    if trained_on == ALL:
        return split
    is_part = _datasets(views.index.location_ids) == trained_on
    train, val = (rows[is_part[rows]] for rows in (split.train, split.val))
    return replace(split, train=train, val=val)


def _calibration(views: LabelledSplit, chosen: ChosenHead) -> Calibration:
    rows = chosen.held_out
    return fit_calibration(
        chosen.log_probabilities, views.labels[rows], views.index.location_ids[rows]
    )


def _calibrated(
    fused: LogProbabilities, counts: Rows, calibration: Calibration
) -> tuple[LogProbabilities, NDArray[np.bool_]]:
    """Return log-probabilities and country sets of places with `counts` views."""
    found = [calibration_for(calibration, int(count)) for count in counts]
    rows = [tempered(row, one.temperature) for row, one in zip(fused, found, strict=True)]
    sets = [
        country_sets(np.exp(row), one.set_threshold) for row, one in zip(rows, found, strict=True)
    ]
    return np.stack(rows), np.stack(sets)


def _named(index: ViewIndex, dataset: str) -> ViewIndex:
    """Return the index with the dataset before each location, since two may use the same ids."""
    return replace(
        index, location_ids=np.array([f"{dataset}/{name}" for name in index.location_ids])
    )


def _datasets(location_ids: Strings) -> Strings:
    return np.array([name.partition("/")[0] for name in location_ids.tolist()], dtype=np.str_)


def _joined(indices: Sequence[ViewIndex]) -> ViewIndex:
    panoramas = [one.panorama_ids for one in indices if one.panorama_ids is not None]
    return ViewIndex(
        location_ids=np.concatenate([one.location_ids for one in indices]),
        country_codes=np.concatenate([one.country_codes for one in indices]),
        lats=np.concatenate([one.lats for one in indices]),
        lons=np.concatenate([one.lons for one in indices]),
        headings=np.concatenate([one.headings for one in indices]),
        sha256s=np.concatenate([one.sha256s for one in indices]),
        panorama_ids=np.concatenate(panoramas) if len(panoramas) == len(indices) else None,
        hashes=np.concatenate([one.hashes for one in indices if one.hashes is not None]),
    )
