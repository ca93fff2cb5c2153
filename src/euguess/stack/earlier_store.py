"""Move objects that earlier versions kept in an S3 server of the stack into the home's store.

A crash at any point loses nothing: objects are copied and read back, the original is renamed once
all are there, and the next start continues.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from euguess.collection.layout import AUDIT_LOG, DATASETS, dataset_prefix, manifest_key, spec_key
from euguess.errors import DatasetConflict
from euguess.process.ports import free_ports
from euguess.process.programs import MINIO, SEAWEEDFS, find_program
from euguess.promotion.merging import merge_logs
from euguess.settings import EARLIER_STORE, HOME_STORE, StoreSettings
from euguess.stack.credentials import Credentials
from euguess.stack.processes import start
from euguess.stack.servers import S3Server, s3_port_count, s3_spec
from euguess.stack.state import record_processes
from euguess.stack.supervised import Announce
from euguess.storage import ObjectStore, open_store
from euguess.storage.administration import ensure_bucket
from euguess.storage.copying import copy_objects
from euguess.storage.local import local_store
from euguess.storage.opening import SELF_TEST_PREFIX

BUCKET = "euguess"
MOVED = "s3-moved"
SHOWN_EVERY = 5000  # objects


def move_earlier_store(home: Path, credentials: Credentials, announce: Announce) -> None:
    """Move everything into the store folder, if there is anything; keep the original renamed.

    Raises DatasetConflict if both places hold a dataset of one name with different requests.
    """
    if not (home / EARLIER_STORE).is_dir():
        return
    announce(f"moving the data of an earlier version from {EARLIER_STORE}/ to {HOME_STORE}/")
    with _served(home, credentials) as settings:
        count, kept = asyncio.run(_move(settings, home, announce))
    os.sync()  # the copies survive a power cut before the original gets another name
    moved = _free_name(home)
    (home / EARLIER_STORE).rename(moved)
    announce(f"moved {count:,} objects. Their earlier copy {moved} can be deleted")
    if kept:
        announce(
            f"{len(kept):,} of them, e.g. {kept[0]}, were in {HOME_STORE}/ with other content, "
            f"which stays in use. Keep {moved} if you need theirs"
        )


@contextlib.contextmanager
def _served(home: Path, credentials: Credentials) -> Iterator[StoreSettings]:
    """Run the server that wrote the folder, recorded so that `down` can end it."""
    data = home / EARLIER_STORE
    program = find_program(MINIO if (data / ".minio.sys").is_dir() else SEAWEEDFS)
    server = S3Server(
        program=program,
        ports=free_ports(s3_port_count(program)),
        data=data,
        access_key=credentials.s3_access_key,
        secret_key=SecretStr(credentials.s3_secret_key),
    )
    running = start(s3_spec(server), home / "logs" / "earlier-store.log")
    try:
        record_processes(home, {running.spec.name: running.pid}, {})
        running.wait_ready()
        yield StoreSettings(
            store_url=f"s3://{BUCKET}",
            s3_endpoint=server.endpoint,
            s3_access_key=server.access_key,
            s3_secret_key=server.secret_key,
        )
    finally:
        running.stop()


async def _move(settings: StoreSettings, home: Path, announce: Announce) -> tuple[int, list[str]]:
    """Return the number of objects, and the keys of those that the target has otherwise."""
    await asyncio.to_thread(ensure_bucket, settings)
    source, target = await open_store(settings), local_store(home / HOME_STORE)
    await _require_no_conflict(source, target)
    keys = [key async for key in source.list("") if not key.startswith(SELF_TEST_PREFIX)]
    plain = sorted(key for key in keys if not key.startswith(AUDIT_LOG))

    def progress(done: int, total: int) -> None:
        if done % SHOWN_EVERY < 32 and done < total:
            announce(f"moved {done:,} of {total:,} objects")

    differing = await copy_objects(source, target, plain, progress)
    await merge_logs(source, target, home / "merged-audit-log.json")
    derived = {manifest_key(name) for name in await source.folders(DATASETS)}
    return len(keys), [key for key in differing if key not in derived]


async def _require_no_conflict(source: ObjectStore, target: ObjectStore) -> None:
    both = set(await source.folders(DATASETS)) & set(await target.folders(DATASETS))
    for name in sorted(both):
        key = spec_key(name)
        if not (await source.exists(key) and await target.exists(key)):
            continue
        if await source.get(key) != await target.get(key):
            raise DatasetConflict(_conflict(name))


def _conflict(name: str) -> str:
    folder = f"{HOME_STORE}/{dataset_prefix(name)}"
    return (
        f"Two datasets are called {name!r}: one that was collected or imported while a stack ran, "
        f"and another one in {folder} of the home. Nothing was changed. Move {folder} out of the "
        "home, run `euguess up`, and import its photos under another name: "
        "euguess dataset import NEW-NAME FOLDER/images"
    )


def _free_name(home: Path) -> Path:
    names = (home / (MOVED if number == 1 else f"{MOVED}-{number}") for number in range(1, 1000))
    return next(name for name in names if not name.exists())
