"""What is kept of each epoch; knows no torch, so that runs can be listed without it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochResult:
    """One row of the training's history; losses are in nats, val figures over single views."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    @property
    def rank(self) -> tuple[float, float, int]:
        """Higher is better: val accuracy, then low val loss, then a later epoch."""
        return self.val_accuracy, -self.val_loss, self.epoch
