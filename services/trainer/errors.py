"""Stopping a training between two epochs, when its run in MLflow is told to."""

from euguess.errors import Interrupted


class Stopped(Interrupted):
    """The training was stopped as asked; its checkpoint is kept."""

    def __init__(self, epochs_done: int, epochs: int) -> None:
        super().__init__(
            f"Stopped after epoch {epochs_done} of {epochs}; resume with the same command and "
            "--resume, or on the dashboard's page Training."
        )
