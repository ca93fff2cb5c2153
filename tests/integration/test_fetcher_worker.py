"""A real Celery worker with real Redis, S3 and imagery server: counts must be correct."""

import asyncio
import os
import signal
from collections import Counter

import pytest

from euguess.collection.layout import locations_prefix
from euguess.messages.collection import (
    FetchLocations,
    LocationRecord,
    SlotStatus,
)
from euguess.storage import ObjectStore
from tests.support.fetcher_rig import (
    CANARY,
    SPEC,
    Rig,
    announced,
    eventually,
    image_keys,
    message,
    put_spec,
    slots,
)

pytestmark = pytest.mark.timeout(240)

MAX_ATTEMPTS = 8


@pytest.fixture
async def store(rig: Rig) -> ObjectStore:
    store = await rig.open_store()
    await put_spec(store)
    await rig.open_account()
    return store


async def records(store: ObjectStore) -> list[LocationRecord]:
    keys = [key async for key in store.list(locations_prefix(SPEC.name))]
    bodies = await asyncio.gather(*[store.get(key) for key in keys])
    return [LocationRecord.model_validate_json(body) for body in bodies]


async def finals(rig: Rig) -> dict[str, SlotStatus]:
    async with rig.ledger() as ledger:
        outcomes = await ledger.outcomes(SPEC.name)
    return {str(slot): outcome.status for slot, outcome in outcomes.items()}


async def publish_until_stored(rig: Rig, wanted: FetchLocations) -> None:
    """Publish slots without a final outcome again with a new fence, as the sampler does."""
    pending = wanted.slots
    for fence in range(wanted.slots[0].fence, MAX_ATTEMPTS):
        requests = [r.model_copy(update={"fence": fence}) for r in pending]
        rig.publish(wanted.model_copy(update={"slots": tuple(requests)}))
        await heard_of(rig, {str(r.slot) for r in requests}, fence)
        done = await finals(rig)
        pending = tuple(r for r in requests if str(r.slot) not in done)
        if not pending:
            return
    raise AssertionError(f"{len(pending)} slots did not end")


async def heard_of(rig: Rig, wanted: set[str], fence: int) -> None:
    """Wait for an outcome of each of these slots, from this fence or a final one."""

    async def are_all_heard_of() -> bool:
        async with rig.ledger() as ledger:
            outcomes = await announced(ledger)
        now = {str(o.slot) for o in outcomes if o.fence == fence or o.status.is_final}
        return wanted <= now

    await eventually(are_all_heard_of, seconds=100)


async def test_a_message_of_fifty_slots_ends_with_correct_counts(
    rig: Rig, store: ObjectStore
) -> None:
    with rig.worker() as worker:
        await publish_until_stored(rig, message(slots(50)))
        log = worker.log_path.read_text()
    assert Counter((await finals(rig)).values()) == {SlotStatus.STORED: 50}
    places = await records(store)
    assert len({place.location_id for place in places}) == len(places) == 50
    assert sorted(v.key for place in places for v in place.views) == await image_keys(store)
    for view in places[0].views:
        await store.get(view.key, sha256=view.sha256)
    counters = rig.counters()
    assert counters["billed_images"] == 150
    assert counters["billed_more_than_once"] == {}
    assert await rig.images_spent() == 150
    async with rig.ledger() as ledger:
        assert await ledger.leases(SPEC.name) == {}
    assert CANARY not in log + "".join(place.model_dump_json() for place in places)


async def test_the_same_message_twice_costs_nothing(rig: Rig, store: ObjectStore) -> None:
    wanted = message(slots(10))
    with rig.worker():
        await publish_until_stored(rig, wanted)
        first = rig.counters()["image_calls"]
        rig.publish(wanted)

        await eventually(rig.is_idle)
    assert rig.counters()["image_calls"] == first == 30
    assert len(await records(store)) == 10


async def test_a_worker_killed_in_the_middle_loses_nothing_and_stores_nothing_twice(
    rig: Rig, store: ObjectStore
) -> None:
    rig.faults({"mode": "slow", "endpoint": "image", "fraction": 0.3, "seconds": 2})

    async def is_in_the_middle() -> bool:
        return int(rig.counters()["billed_images"]) > 40

    with rig.worker() as worker:
        rig.publish(message(slots(50)))
        await eventually(is_in_the_middle)
        os.killpg(worker.pid, signal.SIGKILL)
    rig.faults()
    stored_by_then = await image_keys(store)
    assert 0 < len(stored_by_then) < 150
    with rig.worker():
        await publish_until_stored(rig, message(slots(50), fence=2))

    places, counters = await records(store), rig.counters()
    assert len({place.location_id for place in places}) == len(places) == 50
    assert sorted(v.key for place in places for v in place.views) == await image_keys(store)
    assert counters["billed_images"] <= counters["image_calls"] <= await rig.images_spent()
    assert {counters["calls_per_view"][view_of(key)] for key in stored_by_then} == {1}


def view_of(key: str) -> str:
    """Return the name of a stored image in the simulator's counters: panorama/heading."""
    *_, location_id, name = key.split("/")
    return f"{location_id.removeprefix('simulator-')}/{name.removesuffix('.jpg')}"


async def test_a_denied_key_costs_one_call_and_pauses_the_provider(
    rig: Rig, store: ObjectStore
) -> None:
    rig.faults({"mode": "denied"})
    with rig.worker():
        rig.publish(message(slots(50)))

        async def have_all_been_heard_of() -> bool:
            async with rig.ledger() as ledger:
                return len(await announced(ledger)) == 50

        await eventually(have_all_been_heard_of)
    assert rig.counters()["metadata_calls"] == 1
    async with rig.ledger() as ledger:
        assert "REQUEST_DENIED" in (await ledger.paused("simulator") or "")
        statuses = Counter(outcome.status for outcome in await announced(ledger))
    assert statuses == {SlotStatus.DEFERRED: 50}


async def test_every_kind_of_bad_response_is_handled(rig: Rig, store: ObjectStore) -> None:
    metadata_faults = ("far_pano", "null_island", "lat_eq_lng", "user_photosphere", "across_border")
    image_faults = ("truncated_jpeg", "wrong_size_jpeg", "placeholder", "stale_pano_id")
    passing = ("500_then_ok", "over_limit_then_ok")
    rig.faults(
        *[{"mode": m, "endpoint": "metadata", "fraction": 0.06} for m in metadata_faults],
        *[{"mode": m, "endpoint": "image", "fraction": 0.03} for m in image_faults],
        *[{"mode": m, "fraction": 0.1} for m in passing],
        {"mode": "no_date", "fraction": 0.2},
        {"mode": "year_only_date", "fraction": 0.2},
    )
    with rig.worker():
        await publish_until_stored(rig, message(slots(50)))
    places = await records(store)
    assert {place.slot.country_code for place in places if place.slot} == {"FR", "PL"}
    assert all(place.distance_m is not None and place.distance_m <= 1000 for place in places)
    assert all(place.attribution == "EUGuess simulator" for place in places)
    assert sorted(v.key for place in places for v in place.views) == await image_keys(store)
    assert rig.counters()["billed_images"] <= await rig.images_spent()


async def test_an_invalid_message_is_a_dead_letter_and_stops_no_other(
    rig: Rig, store: ObjectStore
) -> None:
    broken = FetchLocations.model_construct(dataset="demo", slots=(), schema_version=1)
    with rig.worker():
        rig.publish(broken)
        await publish_until_stored(rig, message(slots(2)))
    async with rig.ledger() as ledger:
        (letter,) = await ledger.dead_letters()
    assert letter.source == "fetcher"
    assert "slots" in letter.reason


async def test_slots_are_returned_while_the_imagery_server_is_unreachable(
    rig: Rig, store: ObjectStore
) -> None:
    rig.faults({"mode": "disconnect"})
    with rig.worker():
        rig.publish(message(slots(4)))

        async def have_all_been_heard_of() -> bool:
            async with rig.ledger() as ledger:
                return len(await announced(ledger)) == 4

        await eventually(have_all_been_heard_of)
        rig.faults()
        await publish_until_stored(rig, message(slots(4), fence=2))
    assert len(await records(store)) == 4
