"""Stores of this machine: objects as files of a folder, or in the memory of this process.

In a folder, a write goes to a file beside its target, which is then renamed (or hard-linked, for
create-if-absent), so that neither a reader nor a crash ever sees a partial object.
"""

from pathlib import Path

from obstore.store import LocalStore, MemoryStore

from euguess.errors import StoreUnavailable
from euguess.storage.objects import Objects, StoreLabel


def local_store(folder: Path) -> Objects:
    """Open the store in a folder, and create the folder if needed. Raises StoreUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"Could not create the store folder {folder} ({error.strerror}). Choose another one "
            "with EUGUESS_STORE_URL=file:///path."
        ) from None
    label = StoreLabel(
        f"The store folder {folder}",
        "check its permissions and the free disk space",
        "check the permissions of its files",
    )
    return Objects(LocalStore(folder.resolve(), automatic_cleanup=True), label)


def memory_store() -> Objects:
    """Return a new, empty store for tests and dry runs."""
    label = StoreLabel("The store in memory", "free some memory", "this should not happen")
    return Objects(MemoryStore(), label)
