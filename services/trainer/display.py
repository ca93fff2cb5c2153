"""Progress bars of long work, on standard error so that standard output stays parseable."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from services.trainer.history import EpochResult
from services.trainer.progress import Progress


class Display:
    """Draws bars one at a time; each disappears when its work is done."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def bar(self, title: str) -> Iterator[Progress]:
        """A bar that is told (done, in all)."""
        columns = (TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        text = TextColumn("{task.description}")
        with Bars(text, BarColumn(), *columns, console=self.console, transient=True) as bars:
            task = bars.add_task(title, total=None)

            def show(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            yield show

    def note(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, style="dim", highlight=False)

    def epoch(self, result: EpochResult, epochs: int, *, is_best: bool) -> None:
        """One line per epoch."""
        self.note(
            f"epoch {result.epoch + 1:>3}/{epochs}  loss {result.train_loss:.3f}  "
            f"train {result.train_accuracy:.1%}  val {result.val_accuracy:.1%}  "
            f"{result.seconds:.1f} s{'  best so far' if is_best else ''}"
        )
