"""Runs that fit a head on the features of frozen backbones.

Features are stored as they are computed, so an interrupted run continues with those that are
missing. A file names the run to continue.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from euguess.errors import EUGuessError
from euguess.images.postprocessing import log_softmax
from euguess.process.files import write_atomically
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe
from services.head_network import FrozenBackbone
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.view_index import Rows
from services.trainer.devices import on_device
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import LogProbabilities
from services.trainer.heads.backbones import build_backbone
from services.trainer.heads.embeddings import Features, embed
from services.trainer.heads.experiment import HeadOutcome, measure_head
from services.trainer.heads.network import join_network
from services.trainer.heads.selection import ChosenHead, EmbeddedViews, choose_head
from services.trainer.loading.batches import DeviceImages
from services.trainer.loading.split_data import LabelledSplit, label_and_split
from services.trainer.models.familiarity import Familiarity, fit_frozen
from services.trainer.models.paired import results_of
from services.trainer.progress import Progress
from services.trainer.runs.tested import RunInProgress, Tested
from services.trainer.session import Session

ASK_SECONDS = 5.0  # between questions whether the run shall stop
CHECKED_VIEWS = 16
AGREEMENT = 1e-4  # of probabilities


@dataclass(frozen=True)
class HeadRun:
    """Computes features, fits the head and tests both as one network."""

    recipe: HeadRecipe
    cache: TensorCache
    views: LabelledSplit
    rows: Rows  # of the cache, in view order
    backbones: tuple[FrozenBackbone, ...]
    marker: Path

    def saved_run(self) -> str | None:
        """Return the id of the run that can be resumed, if any."""
        return self.marker.read_text() if self.marker.is_file() else None

    def test(self, run: RunInProgress, *, is_resumed: bool) -> Tested:
        """Fit the head and evaluate it on the test set. Raises Stopped or RunTaken."""
        self.marker.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.marker, run.run_id, durable=True)
        started = time.perf_counter()
        embedded = EmbeddedViews(self.views, self._blocks(run))
        run.session.display.note(f"Fitting the head of {self.recipe.name}")
        chosen = choose_head(embedded, self.recipe.head, self.recipe.seed)
        outcome = measure_head(self.recipe, embedded, chosen)
        _log_choice(run, outcome, time.perf_counter() - started)
        network = join_network(self.backbones, chosen)
        answers = results_of(outcome.predictions.single, self.views)
        fit = partial(self._familiarity, embedded, chosen)
        tested = Tested(network, outcome.report, answers, fit)
        self._require_agreement(tested, outcome.predictions.single, run.session)
        return tested

    def _familiarity(self, embedded: EmbeddedViews, chosen: ChosenHead) -> Familiarity | None:
        index, split = self.views.index, self.views.split
        features = chosen.features(embedded.blocks, np.arange(len(index)))
        return fit_frozen(features, split, index.location_ids)

    def forget(self) -> None:
        """Remove the file that names the run; its features stay."""
        self.marker.unlink(missing_ok=True)

    def _blocks(self, run: RunInProgress) -> tuple[Features, ...]:
        found: list[Features] = []
        for backbone in self.recipe.backbones:
            run.require_owner()
            found += (block[self.rows] for block in self._embedded(backbone, run))
            run.stop_where_asked(f"computing the features of {backbone.title}")
        return tuple(found)

    def _embedded(self, backbone: Backbone, run: RunInProgress) -> tuple[Features, ...]:
        session = run.session
        with session.display.bar(f"Embedding by {backbone.title}") as bar:
            progress = _stoppable(bar, run)
            embedded = embed(
                self.cache, backbone, self.recipe.image, session.home, session.device, progress
            )
        return embedded.blocks

    def _require_agreement(
        self, tested: Tested, expected: LogProbabilities, session: Session
    ) -> None:
        """Raise EUGuessError unless the network gives the probabilities that were measured."""
        test = self.views.split.test[:CHECKED_VIEWS]
        pixels = self.cache.images[self.rows[test]]
        images = DeviceImages(pixels, self.views.labels[test], self.recipe.image, session.device)
        network = on_device(tested.network, session.device)
        found = log_softmax(predict_logits(network, images, np.arange(len(test))))
        difference = np.abs(np.exp(found) - np.exp(expected[: len(test)])).max()
        if not difference <= AGREEMENT:
            raise EUGuessError(
                f"The network's probabilities differ by {difference:.2g} from those of the "
                f"stored features in {session.home}. Delete its folder embeddings and train again."
            )


def prepare_head(recipe: HeadRecipe, cache: TensorCache, marker: Path, session: Session) -> HeadRun:
    """Split the views and build the backbones. Raises InvalidInput or InvalidRecipe."""
    views, rows = label_and_split(cache, recipe.views, recipe.split_spec, recipe.subset)
    build = partial(build_backbone, image=recipe.image, device=session.device)
    return HeadRun(recipe, cache, views, rows, tuple(map(build, recipe.backbones)), marker)


def _stoppable(bar: Progress, run: RunInProgress) -> Progress:
    """Also ask every few seconds whether the run shall stop; what was computed is stored."""
    asked_at = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal asked_at
        bar(done, total)
        if time.monotonic() - asked_at > ASK_SECONDS:
            asked_at = time.monotonic()
            run.stop_where_asked(f"computing the features of {done} of {total} photos")

    return progress


def _log_choice(run: RunInProgress, outcome: HeadOutcome, seconds: float) -> None:
    score = outcome.chosen.score
    values = {"seconds": seconds, "regularisation": score.regularisation}
    values |= {"held_out_accuracy": score.accuracy, "held_out_loss": score.nll}
    run.session.tracking.log_metrics(run.run_id, values)
    run.session.display.note(
        f"Chosen on held-out training places: C = {score.regularisation:g} "
        f"({score.accuracy:.1%} of them correct, all views fused)"
    )
