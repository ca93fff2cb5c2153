"""Objects in the memory of this process, for tests and dry runs."""

from obstore.store import MemoryStore

from euguess.storage.objects import Objects, Place

_PLACE = Place("The store in memory", "free some memory", "this should not happen")


def memory_store() -> Objects:
    """A new, empty store."""
    return Objects(MemoryStore(), _PLACE)
