"""Merge the audit logs of two stores into one of them."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from euguess.collection.layout import audit_key
from euguess.process.files import write_atomically
from euguess.promotion.audit import AuditEntry, entry_bytes, read_log
from euguess.storage import ObjectStore

_ENTRIES = TypeAdapter(tuple[AuditEntry, ...])


async def merge_logs(source: ObjectStore, target: ObjectStore, journal: Path) -> None:
    """Give the target the entries of both logs in order of time, numbered anew.

    The merged log is written to `journal` first. If a merge is interrupted, the next one takes it
    from there, so no entry is lost.
    """
    if not journal.exists():
        merged = _merged(await read_log(source), await read_log(target))
        write_atomically(journal, _ENTRIES.dump_json(merged), durable=True)
    for entry in _ENTRIES.validate_json(journal.read_bytes()):
        await target.put(audit_key(entry.number), entry_bytes(entry))
    journal.unlink()


def _merged(one: Sequence[AuditEntry], other: Sequence[AuditEntry]) -> tuple[AuditEntry, ...]:
    """Return the entries in order of time, each once: an interrupted move repeats some."""
    distinct = {entry.model_copy(update={"number": 1}).model_dump_json(): entry for entry in one}
    for entry in other:
        distinct[entry.model_copy(update={"number": 1}).model_dump_json()] = entry
    ordered = sorted(distinct.values(), key=lambda entry: entry.at)
    return tuple(
        entry.model_copy(update={"number": number}) for number, entry in enumerate(ordered, start=1)
    )
