"""Reconciling final outcomes between the store and the live view."""

from collections.abc import AsyncIterator

from euguess.collection.budget import Sum
from euguess.collection.datasets import known_outcomes, rebuild, stored_status
from euguess.collection.layout import slot_key, spec_key
from euguess.collection.receipts import new_receipt, write_receipt
from euguess.messages.collection import (
    DatasetSpec,
    SlotKey,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.testing.ledger import InMemoryLedger
from tests.support.sampler_fakes import FlakyStore, outcome_of

SPEC = DatasetSpec(name="demo", quotas={"FR": 3})


def stored(index: int) -> SlotOutcome:
    request = SlotRequest(
        slot=SlotKey(country_code="FR", index=index),
        candidates=((0.5, 0.5),),
        fence=1,
    )
    return outcome_of(SPEC.name, request, SlotStatus.STORED)


async def keep(store: FlakyStore, ledger: InMemoryLedger, outcome: SlotOutcome) -> None:
    """Store an outcome as a fetcher does: in the store first."""
    key = slot_key(SPEC.name, outcome.slot)
    await store.create(key, outcome.model_dump_json().encode())
    await ledger.record(outcome)


class BusyStore(FlakyStore):
    """A store in which a fetcher ends slot 2 just after the slots were listed."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        super().__init__()
        self._ledger = ledger

    async def list(self, prefix: str) -> AsyncIterator[str]:
        keys = [key async for key in super().list(prefix)]
        await keep(self, self._ledger, stored(2))
        for key in keys:
            yield key


async def test_an_outcome_that_arrives_while_reading_is_kept() -> None:
    ledger = InMemoryLedger()
    store = BusyStore(ledger)
    await keep(store, ledger, stored(0))
    await keep(store, ledger, stored(1))
    known = await known_outcomes(store, ledger, SPEC)
    assert sorted(outcome.slot.index for outcome in known) == [0, 1]
    assert sorted(slot.index for slot in ledger.datasets[SPEC.name].outcomes) == [0, 1, 2]


async def test_an_outcome_that_is_only_in_the_live_view_is_dropped() -> None:
    store, ledger = FlakyStore(), InMemoryLedger()
    await keep(store, ledger, stored(0))
    await ledger.record(stored(1))
    known = await known_outcomes(store, ledger, SPEC)
    assert [outcome.slot.index for outcome in known] == [0]
    assert [slot.index for slot in ledger.datasets[SPEC.name].outcomes] == [0]


async def test_an_outcome_that_is_only_in_the_store_is_restored() -> None:
    store, ledger = FlakyStore(), InMemoryLedger()
    await keep(store, ledger, stored(0))
    ledger.wipe()
    assert [o.slot.index for o in await known_outcomes(store, ledger, SPEC)] == [0]
    assert [slot.index for slot in ledger.datasets[SPEC.name].outcomes] == [0]


async def test_the_store_alone_knows_what_was_spent_and_possibly_paid() -> None:
    store, ledger = FlakyStore(), InMemoryLedger()
    await store.put(spec_key(SPEC.name), SPEC.model_dump_json().encode())
    await keep(store, ledger, stored(0))
    for location_id in ("simulator-stored", "simulator-lost"):
        await write_receipt(store, new_receipt(SPEC.name, location_id, Sum(3, 21_000)))
    status = await stored_status(store, SPEC.name)
    assert (status.images_spent, status.dollars_spent) == (6, 0.042)
    assert status.possibly_paid == 3


async def test_a_rebuild_leaves_slots_to_the_fetchers_that_have_begun_them() -> None:
    store, ledger = FlakyStore(), InMemoryLedger()
    await store.put(spec_key(SPEC.name), SPEC.model_dump_json().encode())
    await keep(store, ledger, stored(0))
    begun = stored(1).slot
    await ledger.begin(SPEC.name, {begun: 1}, "fetcher", 60)
    await rebuild(store, ledger, SPEC.name)
    assert set(await ledger.outcomes(SPEC.name)) == {stored(0).slot}
    assert await ledger.renew(SPEC.name, begun, 1, "fetcher", 60)
    assert not await ledger.begin(SPEC.name, {begun: 1}, "another delivery", 60)
