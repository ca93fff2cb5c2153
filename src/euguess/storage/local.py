"""Stores of this machine: objects as files of a folder, or in the memory of this process.

In a folder, a write goes to a file beside its target, which is then renamed (or hard-linked, for
create-if-absent), so that a reader or a crash of the process never meets a part of an object.
"""

from pathlib import Path

from obstore.store import LocalStore, MemoryStore

from euguess.errors import StoreUnavailable
from euguess.storage.objects import Objects, StoreLabel


def local_store(folder: Path) -> Objects:
    """The store in a folder, which is made if absent. Raises StoreUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"The store folder {folder} cannot be made ({error.strerror}); choose another one "
            "with EUGUESS_STORE_URL=file:///path."
        ) from None
    label = StoreLabel(
        f"The store folder {folder}",
        "check that its disk has space and that it can be written",
        "check the permissions of its files",
    )
    return Objects(LocalStore(folder.resolve(), automatic_cleanup=True), label)


def memory_store() -> Objects:
    """Return a new, empty store for tests and dry runs."""
    label = StoreLabel("The store in memory", "free some memory", "this should not happen")
    return Objects(MemoryStore(), label)
