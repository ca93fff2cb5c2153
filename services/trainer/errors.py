"""Error that ends a training run between two epochs after a stop request in MLflow."""

from euguess.errors import Interrupted


class Stopped(Interrupted):
    """The training run was stopped on request; its checkpoint is kept."""

    def __init__(self, epochs_done: int, epochs: int) -> None:
        super().__init__(
            f"Stopped after epoch {epochs_done} of {epochs}; resume with the same command and "
            "--resume, or on the dashboard's Training page."
        )
