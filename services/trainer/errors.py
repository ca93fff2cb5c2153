"""The error that ends a training between two epochs after a stop request in MLflow."""

from euguess.errors import Interrupted


class Stopped(Interrupted):
    """The training was stopped on request; its checkpoint is kept."""

    def __init__(self, epochs_done: int, epochs: int) -> None:
        super().__init__(
            f"Stopped after epoch {epochs_done} of {epochs}; resume with the same command and "
            "--resume, or on the dashboard's page Training."
        )
