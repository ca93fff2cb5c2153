"""Model archives on disk, and a record of which one is served; both survive restarts."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from euguess.messages.records import Record
from euguess.process.files import write_atomically
from services.inference.archive import verify_archive
from services.inference.model_package import InvalidModel
from services.inference.model_registry import Champion

KEPT_VERSIONS = 2  # the one in use, and the one before it for a rollback


class ServedVersion(Record):
    """One version of the model."""

    version: str
    run_id: str


class ServedVersions(Record):
    """Versions that have been served, the current one first."""

    served: tuple[ServedVersion, ...] = ()


class ModelStore:
    """A folder of archives; keeps the one in use and the one before it."""

    def __init__(self, folder: Path, index_path: Path) -> None:
        self._folder = folder
        self._index_path = index_path

    def path(self, champion: Champion) -> Path:
        """Path of a version's archive, whether it exists or not."""
        return self._folder / champion.folder

    def current(self) -> Champion | None:
        """The version that was served last."""
        served = self._load().served
        return Champion(served[0].version, served[0].run_id) if served else None

    def holds(self, champion: Champion) -> bool:
        """Check that a version's archive exists and is intact; remove a damaged one."""
        try:
            verify_archive(self.path(champion))
        except InvalidModel:
            self.discard(champion)
            return False
        return True

    def discard(self, champion: Champion) -> None:
        """Remove a version's archive, if there is one."""
        shutil.rmtree(self.path(champion), ignore_errors=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the same disk; after a crash, the next start removes it."""
        with tempfile.TemporaryDirectory(prefix=".download-", dir=self._folder) as folder:
            yield Path(folder)

    def make_current(self, champion: Champion) -> None:
        """Record the version that is served now, and remove archives that are no longer needed."""
        entry = ServedVersion(version=champion.version, run_id=champion.run_id)
        earlier = tuple(old for old in self._load().served if old != entry)
        index = ServedVersions(served=(entry, *earlier)[:KEPT_VERSIONS])
        write_atomically(self._index_path, index.model_dump_json(indent=2))
        self._prune(index)

    def _load(self) -> ServedVersions:
        try:
            return ServedVersions.model_validate_json(self._index_path.read_text())
        except (OSError, ValidationError):
            return ServedVersions()

    def _prune(self, index: ServedVersions) -> None:
        kept = {Champion(entry.version, entry.run_id).folder for entry in index.served}
        for folder in self._folder.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
