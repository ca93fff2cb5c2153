"""Archives in the model store and which of them is served; survives restarts."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from euguess.messages.records import Record
from services.inference.archive import verify_archive
from services.inference.classifier import ModelRefused
from services.inference.registry import Champion


class ShelfEntry(Record):
    """A version that was served."""

    version: str
    run_id: str


class ShelfIndex(Record):
    """Versions that were served, the present one first."""

    served: tuple[ShelfEntry, ...] = ()


class Shelf:
    """A model store on disk; keeps the archive in use and the one before it."""

    KEPT = 2

    def __init__(self, store: Path, index_path: Path) -> None:
        self._store = store
        self._index_path = index_path

    def path(self, champion: Champion) -> Path:
        """Where a version's archive is or will be."""
        return self._store / champion.folder

    def current(self) -> Champion | None:
        """The version served last."""
        served = self._load().served
        return Champion(served[0].version, served[0].run_id) if served else None

    def holds(self, champion: Champion) -> bool:
        """Whether a version's archive is there and undamaged; a damaged one is removed."""
        try:
            verify_archive(self.path(champion))
        except ModelRefused:
            self.discard(champion)
            return False
        return True

    def discard(self, champion: Champion) -> None:
        """Remove a version's archive; harmless when there is none."""
        shutil.rmtree(self.path(champion), ignore_errors=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for a download, on the same disk; a crash leaves it for the next start."""
        with tempfile.TemporaryDirectory(prefix=".download-", dir=self._store) as folder:
            yield Path(folder)

    def make_current(self, champion: Champion) -> None:
        """Record what is served from now on, and remove archives that are no longer wanted."""
        entry = ShelfEntry(version=champion.version, run_id=champion.run_id)
        earlier = tuple(old for old in self._load().served if old != entry)
        index = ShelfIndex(served=(entry, *earlier)[: self.KEPT])
        part = self._index_path.with_suffix(".part")
        part.write_text(index.model_dump_json(indent=2))
        part.replace(self._index_path)
        self._prune(index)

    def _load(self) -> ShelfIndex:
        try:
            return ShelfIndex.model_validate_json(self._index_path.read_text())
        except (OSError, ValidationError):
            return ShelfIndex()

    def _prune(self, index: ShelfIndex) -> None:
        kept = {Champion(entry.version, entry.run_id).folder for entry in index.served}
        for folder in self._store.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
