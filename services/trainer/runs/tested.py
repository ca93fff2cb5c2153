"""What a run measures, however its network was made."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from euguess.training.report import Report
from services.trainer.errors import Stopped
from services.trainer.models.familiarity import Familiarity
from services.trainer.models.paired import PhotoResults
from services.trainer.session import Session
from services.trainer.tracking.ownership import Owner


@dataclass(frozen=True)
class Tested:
    """A network in evaluation mode with its results on the test set."""

    network: nn.Module
    report: Report
    answers: PhotoResults
    # Takes as long as some epochs without gradients, so it is fitted for registered models only.
    fit_familiarity: Callable[[], Familiarity | None]


@dataclass(frozen=True)
class RunInProgress:
    """A run that this process works on."""

    run_id: str
    owner: Owner
    session: Session

    def require_owner(self) -> None:
        """Raise RunTaken if another process has taken over the run."""
        self.session.tracking.require_owner(self.run_id, self.owner)

    def stop_where_asked(self, done: str) -> None:
        """Raise Stopped if a stop is requested. done: what is finished and kept."""
        if self.session.tracking.is_stop_requested(self.run_id):
            raise Stopped(done)
