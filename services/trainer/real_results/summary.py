"""Summarise measured recipes over seeds, with intervals and paired differences.

Seeds test different places, and some places are tested by several. Predictions of all seeds are
pooled, one row per seed and place. The bootstrap draws locations with all their rows, so a place
that two seeds tested counts as one observation, not two.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from euguess.messages.records import MAX_VIEWS, Interval, Record
from services.trainer.dataset.view_index import Floats, Strings
from services.trainer.evaluation.bootstrap import (
    bootstrap_interval,
    macro_recall_interval,
    paired_difference,
)
from services.trainer.real_results.predictions import (
    HeldOut,
    LocationPrediction,
    Measurement,
)

BEST, STUDY = "best", "study"


class SeedRow(Record):
    """One recipe with one seed."""

    seed: int
    places: int
    single: float
    fused: float
    seconds: float
    held_out: HeldOut | None
    choice: str


class RecipeSummary(Record):
    """One recipe over all seeds. Accuracies are shares of places."""

    recipe: str
    places: int
    single: Interval
    fused: Interval
    macro_recall: Interval
    gain: Interval
    over_study: Interval | None
    curve: tuple[Interval, ...]
    seconds: float
    seeds: tuple[SeedRow, ...]


class Results(Record):
    """The results file, docs/results/*.json."""

    dataset: str
    seeds: tuple[int, ...]
    tests: int
    distinct_places: int
    chance: float
    majority: float
    lines: tuple[RecipeSummary, ...]
    left_out: tuple[str, ...]


def summarise(dataset: str, measured: Sequence[Measurement], left_out: Sequence[str]) -> Results:
    """Summarise each recipe, and the best head of each seed by its held-out places."""
    names = list(dict.fromkeys(one.recipe for one in measured))
    runs = {name: [one for one in measured if one.recipe == name] for name in names}
    study = runs.get(STUDY, [])
    best = best_heads(measured)
    lines = [_line(name, runs[name], study) for name in names]
    if best:
        lines.append(_line(BEST, best, study))
    tested = [place.location_id for one in runs[names[0]] for place in one.places]
    return Results(
        dataset=dataset,
        seeds=tuple(one.seed for one in runs[names[0]]),
        tests=len(tested),
        distinct_places=len(set(tested)),
        chance=measured[0].chance,
        majority=float(np.mean([one.majority for one in runs[names[0]]])),
        lines=tuple(lines),
        left_out=tuple(left_out),
    )


def best_heads(measured: Iterable[Measurement]) -> list[Measurement]:
    """Return each seed's head with the most held-out places correct; on a tie, the lower NLL.

    The test set is not used.
    """
    best: dict[int, tuple[tuple[float, float], Measurement]] = {}
    for one in measured:
        if one.held_out is None:
            continue
        rank = (one.held_out.accuracy, -one.held_out.nll)
        if one.seed not in best or rank > best[one.seed][0]:
            best[one.seed] = (rank, one)
    chosen = [best[seed][1] for seed in sorted(best)]
    return [one.model_copy(update={"choice": f"{one.recipe}, {one.choice}"}) for one in chosen]


def _line(name: str, runs: Sequence[Measurement], study: Sequence[Measurement]) -> RecipeSummary:
    places = [place for one in runs for place in one.places]
    ids, labels = _ids(places), np.array([place.label for place in places], dtype=np.int64)
    single = np.array([place.single for place in places])
    fused = _hits(places, MAX_VIEWS)
    most = max(len(place.fused) for place in places)
    return RecipeSummary(
        recipe=name,
        places=len(places),
        single=bootstrap_interval(single, ids),
        fused=bootstrap_interval(fused, ids),
        macro_recall=macro_recall_interval(fused, labels, ids),
        gain=paired_difference(fused, single, ids),
        over_study=_difference(runs, study) if study and name != STUDY else None,
        curve=tuple(bootstrap_interval(_hits(places, n), ids) for n in range(1, most + 1)),
        seconds=float(np.mean([one.seconds for one in runs])),
        seeds=tuple(_seed_row(one) for one in runs),
    )


def _difference(runs: Sequence[Measurement], others: Sequence[Measurement]) -> Interval:
    """Return recipe minus other, all views fused, on places where a seed tested both."""
    theirs = {(one.seed, place.location_id): place for one in others for place in one.places}
    pairs = [
        (place, theirs[one.seed, place.location_id])
        for one in runs
        for place in one.places
        if (one.seed, place.location_id) in theirs
    ]
    mine, their = zip(*pairs, strict=True)
    return paired_difference(_hits(mine, MAX_VIEWS), _hits(their, MAX_VIEWS), _ids(mine))


def _seed_row(one: Measurement) -> SeedRow:
    return SeedRow(
        seed=one.seed,
        places=len(one.places),
        single=float(np.mean([place.single for place in one.places])),
        fused=float(_hits(one.places, MAX_VIEWS).mean()),
        seconds=one.seconds,
        held_out=one.held_out,
        choice=one.choice,
    )


def _hits(places: Sequence[LocationPrediction], views: int) -> Floats:
    return np.array([place.hit(views) for place in places], dtype=np.float64)


def _ids(places: Sequence[LocationPrediction]) -> Strings:
    return np.array([place.location_id for place in places], dtype=np.str_)
