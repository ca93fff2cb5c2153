"""The object store: one API over S3, a local folder and memory."""

from euguess.storage.opening import open_store
from euguess.storage.protocol import ObjectStore

__all__ = ["ObjectStore", "open_store"]
