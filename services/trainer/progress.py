"""Progress of long work: what it reports, and how a person sees it.

Bars and notes go to standard error, so that standard output stays parseable. Imports no torch, so
that runs can be listed without it.
"""

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
    """One row of a training's history; losses are in nats, val figures over single views."""

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


class ProgressDisplay:
    """Draws bars one at a time; each disappears when its work is done."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def bar(self, title: str) -> Iterator[Progress]:
        """Show a bar that is updated with (done, total)."""
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
