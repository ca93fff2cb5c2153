"""Runs that train a network, epoch by epoch."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from services.trainer.evaluation.evaluation import evaluate
from services.trainer.loading.split_data import SplitData
from services.trainer.models.familiarity import fit_trained
from services.trainer.models.paired import photo_results
from services.trainer.runs.checkpoint import Checkpoint
from services.trainer.runs.tested import RunInProgress, Tested
from services.trainer.training.driver import Training
from services.trainer.training.loop import TrainingState


@dataclass(frozen=True)
class TrainingRun:
    """Trains from the checkpoint, if there is one and the run resumes, and tests the network."""

    training: Training
    views: SplitData
    checkpoint: Checkpoint

    def saved_run(self) -> str | None:
        """Return the id of the run that can be resumed, if any."""
        return self.checkpoint.saved_run()

    def test(self, run: RunInProgress, *, is_resumed: bool) -> Tested:
        """Train the network and evaluate it on the test set. Raises Stopped or RunTaken."""
        learner = self.training.learner
        start = self.checkpoint.load(learner) if is_resumed else TrainingState()
        network = self._trained(run, start)
        run.session.display.note("Evaluating on the test set")
        report = evaluate(network, self.views, self.training.recipe)
        views = self.views
        fit = partial(fit_trained, network, views.images, views.split, views.index.location_ids)
        return Tested(network, report, photo_results(network, views), fit)

    def forget(self) -> None:
        """Remove the checkpoint of a finished run."""
        self.checkpoint.path.unlink(missing_ok=True)

    def _trained(self, run: RunInProgress, start: TrainingState) -> nn.Module:
        """Train and return the network with the weights of its best epoch."""
        session, recipe = run.session, self.training.recipe

        def after_epoch(state: TrainingState) -> None:
            self.checkpoint.save(self.training.learner, state, run.run_id)
            run.require_owner()
            newest = state.history[-1]
            session.tracking.log_epoch(run.run_id, newest)
            session.display.epoch(newest, recipe.epochs, is_best=newest == state.best)
            if state.epochs_done < recipe.epochs:  # after the last epoch, it finishes instead
                run.stop_where_asked(f"epoch {state.epochs_done} of {recipe.epochs}")

        with session.display.bar(f"Training {recipe.network}") as bar:
            return self.training.run(start=start, after_epoch=after_epoch, bar=bar).network
