"""Open the configured store, and check that it honours create-if-absent."""

import asyncio
from pathlib import Path
from uuid import uuid4

from euguess.errors import InvalidInput, ObjectNotFound, StoreError, StoreUnavailable
from euguess.settings import StoreSettings
from euguess.storage.local import local_store, memory_store
from euguess.storage.objects import Objects
from euguess.storage.protocol import ObjectStore
from euguess.storage.s3 import SCHEME as S3_SCHEME
from euguess.storage.s3 import s3_store

FILE_SCHEME = "file://"
MEMORY_URL = "memory://"
ANSWER_WITHIN_SECONDS = 10.0
# Races between two writers: in larger ones SeaweedFS delays the losers by a second or more.
RACES = 4
SELF_TEST_PREFIX = "self-test/"


async def open_store(
    settings: StoreSettings, *, answer_within_seconds: float = ANSWER_WITHIN_SECONDS
) -> ObjectStore:
    """Open the store and check that it honours create-if-absent.

    Raises InvalidInput for invalid settings, StoreUnavailable if the store does not answer in time
    or an earlier version's objects were not moved yet, and StoreError if it refuses access or
    ignores create-if-absent.
    """
    _require_moved(settings)
    store = _named_store(settings)
    try:
        async with asyncio.timeout(answer_within_seconds):
            await check_create_if_absent(store)
    except ObjectNotFound:
        raise StoreError(
            f"The bucket of {settings.url} does not exist. Create it; `euguess up` does so for "
            "the local stack."
        ) from None
    except TimeoutError:
        raise StoreUnavailable(
            f"The store {settings.url} at {settings.s3_endpoint or 'AWS S3'} does not answer. "
            "Start it with `euguess up`, or check EUGUESS_STORE_URL and EUGUESS_S3_ENDPOINT."
        ) from None
    return store


async def check_create_if_absent(store: ObjectStore) -> None:
    """Raise StoreError unless creating an existing key fails and races have one winner each."""
    # One write before the races: the first one to a new bucket of SeaweedFS is slow.
    key = _self_test_key()
    await store.put(key, b"taken")
    winners = [int(await store.create(key, b"again")) + 1]
    await store.delete(key)
    winners += await asyncio.gather(*(_race(store) for _ in range(RACES)))
    if set(winners) != {1}:
        raise StoreError(
            f"The store let {max(winners)} writers create the same object: it does not honour "
            "If-None-Match, which EUGuess relies on. Use another store."
        )


async def _race(store: ObjectStore) -> int:
    """Return how many of two simultaneous creations of an object succeed."""
    key = _self_test_key()
    wins = await asyncio.gather(store.create(key, b"one"), store.create(key, b"other"))
    await store.delete(key)
    return sum(wins)


def _self_test_key() -> str:
    return f"{SELF_TEST_PREFIX}{uuid4().hex}"


def _require_moved(settings: StoreSettings) -> None:
    """Refuse to show a part of the home's datasets as if they were all."""
    if settings.unmoved is not None:
        raise StoreUnavailable(
            f"An earlier version of EUGuess kept datasets in {settings.unmoved}. Start the stack "
            "once to move them into the store of this home: euguess up"
        )


def _named_store(settings: StoreSettings) -> Objects:
    url = settings.url
    if url.startswith(S3_SCHEME):
        return s3_store(settings)
    if url == MEMORY_URL:
        return memory_store()
    folder = url.removeprefix(FILE_SCHEME)
    if "://" in folder or not folder:
        raise InvalidInput(
            f"EUGUESS_STORE_URL is {url!r}. It must be s3://bucket, file:///folder or memory://."
        )
    return local_store(Path(folder))
