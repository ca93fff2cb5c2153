"""The audit log: no entry is written twice, and the champions follow from it."""

import asyncio

import pytest

from euguess.collection.layout import audit_key
from euguess.errors import StoreError
from euguess.messages.records import Interval
from euguess.promotion.audit import (
    AuditEntry,
    Decision,
    append,
    champion_before,
    champion_history,
    read_log,
    recorded_contest,
)
from euguess.promotion.verdict import Contest
from euguess.storage import ObjectStore
from tests.support.promotions import audit_entry


def history(*acts: tuple[Decision, str, str | None]) -> list[AuditEntry]:
    return [audit_entry(number, *act) for number, act in enumerate(acts, start=1)]


SHARE = Interval(value=0.5, low=0.4, high=0.6)
UP, NO, BACK = Decision.PROMOTED, Decision.REFUSED, Decision.ROLLED_BACK


async def test_entries_are_read_back_in_order(memory_store: ObjectStore) -> None:
    written = [audit_entry(number, UP, str(number)) for number in range(1, 12)]
    for one in written:
        assert await append(memory_store, one)
    assert await read_log(memory_store) == written


async def test_an_entry_number_is_used_once(memory_store: ObjectStore) -> None:
    rivals = [audit_entry(1, UP, version) for version in "abcd"]
    won = await asyncio.gather(*(append(memory_store, one) for one in rivals))
    assert won.count(True) == 1
    assert await read_log(memory_store) == [rivals[won.index(True)]]


async def test_the_same_entry_sent_again_counts_as_written(memory_store: ObjectStore) -> None:
    one = audit_entry(1, UP, "1")
    assert await append(memory_store, one)
    assert await append(memory_store, one)


async def test_a_removed_entry_is_detected(memory_store: ObjectStore) -> None:
    for number in (1, 2, 3):
        await append(memory_store, audit_entry(number, UP, str(number)))
    await memory_store.delete(audit_key(2))
    with pytest.raises(StoreError, match=audit_key(2)):
        await read_log(memory_store)


async def test_a_damaged_entry_is_named(memory_store: ObjectStore) -> None:
    await memory_store.put(audit_key(1), b"{}")
    with pytest.raises(StoreError, match="damaged"):
        await read_log(memory_store)


@pytest.mark.parametrize(
    ("acts", "line"),
    [
        ([], []),
        ([(UP, "1", None), (UP, "2", "1")], ["1", "2"]),
        ([(UP, "1", None), (NO, "2", "1")], ["1"]),
        ([(UP, "1", None), (UP, "2", "1"), (BACK, "1", "2")], ["1"]),
        ([(UP, "1", None), (UP, "2", "1"), (BACK, "1", "2"), (UP, "3", "1")], ["1", "3"]),
        (
            [(UP, "1", None), (UP, "3", "2")],
            ["1", "2", "3"],
        ),  # 2: set outside the gate
        ([(UP, "1", None), (UP, "2", "1"), (UP, "1", "2")], ["1", "2", "1"]),
    ],
)
def test_champions_that_were_rolled_back_are_left_out(
    acts: list[tuple[Decision, str, str | None]], line: list[str]
) -> None:
    assert champion_history(history(*acts)) == line


@pytest.mark.parametrize(
    ("champion", "before"), [("3", "2"), ("2", "1"), ("1", None), ("unheard of", None)]
)
def test_the_previous_champion_is_the_one_that_was_replaced(
    champion: str, before: str | None
) -> None:
    entries = history((UP, "1", None), (UP, "2", "1"), (UP, "3", "2"))
    assert champion_before(entries, champion) == before


def test_a_contest_counts_only_for_its_two_versions() -> None:
    contests = [
        Contest(
            dataset="demo",
            manifest_digest="0" * 64,
            places=places,
            challenger=SHARE,
            champion=SHARE,
            difference=SHARE,
            countries=("FR", "PL"),
        )
        for places in (30, 40)
    ]
    entries = [
        audit_entry(number, NO, "2", "1").model_copy(update={"contest": contest})
        for number, contest in enumerate((*contests, None), start=1)
    ]
    assert recorded_contest(entries, "2", "1") == contests[1]
    assert recorded_contest(entries, "1", "2") is None
    assert recorded_contest(entries, "2", "3") is None


def test_two_rollbacks_restore_the_champion_before_the_previous_one() -> None:
    entries = history((UP, "1", None), (UP, "2", "1"), (UP, "3", "2"), (BACK, "2", "3"))
    assert champion_before(entries, "2") == "1"
