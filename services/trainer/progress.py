"""Progress of long operations, and its display in a terminal.

Bars and notes go to standard error, so that standard output stays parseable. Does not import torch,
so that listing runs stays fast.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

Progress = Callable[[int, int], None]  # (done, total)


def no_progress(done: int, total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch in the history of a training run; losses in nats, val figures over single views."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    @property
    def is_finite(self) -> bool:
        """Return whether both losses are numbers; if not, the training diverged in this epoch."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Sort key, higher is better: val accuracy, then lower val loss, then the later epoch.

        An epoch that diverged is the worst.
        """
        return self.is_finite, self.val_accuracy, -self.val_loss, self.epoch


class ProgressDisplay:
    """Draws one progress bar at a time; a bar disappears when its work is done."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def bar(self, title: str) -> Iterator[Progress]:
        """Show a bar while the body runs; call the yielded function to update it."""
        columns = (TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        text = TextColumn("{task.description}")
        with Bars(text, BarColumn(), *columns, console=self.console, transient=True) as bars:
            task = bars.add_task(title, total=None)

            def show(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            yield show

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, style="dim", highlight=False)

    def epoch(self, result: EpochResult, epochs: int, *, is_best: bool) -> None:
        """Print one line per epoch."""
        self.note(
            f"epoch {result.epoch + 1:>3}/{epochs}  loss {result.train_loss:.3f}  "
            f"train {result.train_accuracy:.1%}  val {result.val_accuracy:.1%}  "
            f"{result.seconds:.1f} s{'  best so far' if is_best else ''}"
        )
