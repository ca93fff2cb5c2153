"""Errors that end a training run before its last epoch."""

from euguess.errors import EUGuessError, Interrupted


class Diverged(EUGuessError):
    """A loss, a feature or an output of the network is no longer a finite number."""


class Stopped(Interrupted):
    """The training run was stopped on request; what it finished is kept."""

    def __init__(self, done: str) -> None:
        """done: what is finished and kept, such as "epoch 2 of 10"."""
        super().__init__(
            f"Stopped after {done}; resume with the same command and "
            "--resume, or on the dashboard's Training page."
        )


class RunBusy(EUGuessError):
    """Another process is training this recipe on this dataset. Wait for it, or stop it."""


class RunTaken(RunBusy):
    """Another process took over this run while this process did not respond."""
