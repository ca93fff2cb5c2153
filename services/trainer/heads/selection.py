"""Select the regularisation of a head without the test set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from euguess.images.postprocessing import tempered
from euguess.training.recipes.head_recipe import HeadOptions
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.evaluation.calibration import fit_temperature
from services.trainer.evaluation.metrics import (
    CHECK_WEIGHTS,
    LogProbabilities,
    fuse_views,
    is_top,
    negative_log_likelihoods,
    require_finite,
)
from services.trainer.heads.heads import TrainingFeatures, fit_heads
from services.trainer.heads.linear import LinearModel
from services.trainer.heads.scaling import Block, Scaler, fit_scaler
from services.trainer.loading.split_data import LabelledSplit


@dataclass(frozen=True)
class Score:
    """Quality of one regularisation value on held-out locations."""

    regularisation: float
    nll: float  # all views fused, at the best temperature, nats per location
    accuracy: float  # all views fused, share of locations


@dataclass(frozen=True)
class ChosenHead:
    """The selected head with its scaler and the held-out predictions that it was selected by."""

    head: LinearModel
    scaler: Scaler
    score: Score
    held_out: Rows  # views
    log_probabilities: LogProbabilities  # of the held-out views
    notes: tuple[str, ...] = ()  # for the report

    def features(self, blocks: Sequence[Block], rows: Rows) -> Floats:
        """Return the scaled features of some views."""
        return self.scaler([block[rows] for block in blocks])


@dataclass(frozen=True)
class EmbeddedViews:
    """Views with their features: one block per layer of each backbone, in view order."""

    views: LabelledSplit
    blocks: tuple[Block, ...]


def choose_head(embedded: EmbeddedViews, options: HeadOptions, seed: int) -> ChosenHead:
    """Return the head with the lowest NLL on held-out locations.

    With cross-validation, the final head is trained on train and val, otherwise on train alone.
    Raises Diverged if features or predictions are not finite numbers.
    """
    for block in embedded.blocks:
        require_finite(block, "The backbone's features", CHECK_WEIGHTS)
    split = embedded.views.split
    if options.choice == "val" and len(split.val):
        folds, learnt = [(split.train, split.val)], split.train
    else:
        learnt = np.sort(np.concatenate([split.train, split.val]))
        folds = list(_folds(embedded, learnt, options.folds, seed))
    tried = [_fitted(embedded, options, fit) for fit, _ in folds]
    trials = [
        _trial(embedded, c, [heads[n] for heads in tried], folds)
        for n, c in enumerate(options.regularisation)
    ]
    best = min(trials, key=lambda trial: trial.score.nll)
    only = options.model_copy(update={"regularisation": (best.score.regularisation,)})
    (final,) = _fitted(embedded, only, learnt)
    return ChosenHead(
        final.head,
        final.scaler,
        best.score,
        best.held_out,
        best.log_probabilities,
        edge_notes(options.regularisation, best.score.regularisation),
    )


def edge_notes(tried: Sequence[float], chosen: float) -> tuple[str, ...]:
    """Return a warning if the chosen value is the smallest or largest of several."""
    if len(set(tried)) == 1 or chosen not in (min(tried), max(tried)):
        return ()
    return (
        f"The chosen regularisation C = {chosen:g} is at the edge of the values tried "
        f"({min(tried):g} to {max(tried):g}), so a value beyond may be better. Extend "
        "head.regularisation.",
    )


@dataclass(frozen=True)
class _Fitted:
    head: LinearModel
    scaler: Scaler


@dataclass(frozen=True)
class _Trial:
    score: Score
    held_out: Rows
    log_probabilities: LogProbabilities


def _folds(
    embedded: EmbeddedViews, rows: Rows, folds: int, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield (training, held-out) rows; each location is held out once, with all its views."""
    names, location = np.unique(embedded.views.index.location_ids[rows], return_inverse=True)
    of_location = np.random.default_rng(seed).permutation(len(names)) % folds
    for fold in range(min(folds, len(names))):
        is_held_out = of_location[location] == fold
        yield rows[~is_held_out], rows[is_held_out]


def _fitted(embedded: EmbeddedViews, options: HeadOptions, rows: Rows) -> list[_Fitted]:
    blocks = [block[rows] for block in embedded.blocks]
    scaler = fit_scaler(options.scaling, blocks)
    views = embedded.views
    training = TrainingFeatures(
        scaler(blocks), views.labels[rows], views.index.location_ids[rows], len(views.countries)
    )
    return [_Fitted(head, scaler) for head in fit_heads(training, options)]


def _trial(
    embedded: EmbeddedViews, c: float, heads: Sequence[_Fitted], folds: Sequence[tuple[Rows, Rows]]
) -> _Trial:
    single, fused, truth = [], [], []
    for fitted, (_, rows) in zip(heads, folds, strict=True):
        features = fitted.scaler([block[rows] for block in embedded.blocks])
        single.append(fitted.head.log_probabilities(features))
        location_ids = embedded.views.index.location_ids[rows]
        places = fuse_views(single[-1], location_ids, views=len(rows))
        fused.append(places.log_probabilities)
        truth.append(embedded.views.labels[rows][places.first_rows])
    held_out = np.concatenate([rows for _, rows in folds])
    score = _score(c, np.concatenate(fused), np.concatenate(truth))
    return _Trial(score, held_out, np.concatenate(single))


def _score(c: float, log_probabilities: LogProbabilities, labels: Rows) -> Score:
    require_finite(log_probabilities, "The head's predictions", "Lower head.regularisation.")
    calibrated = tempered(log_probabilities, fit_temperature(log_probabilities, labels))
    return Score(
        regularisation=c,
        nll=float(negative_log_likelihoods(calibrated, labels).mean()),
        accuracy=float(is_top(log_probabilities, labels, 1).mean()),
    )
