"""Spending of a collection, computed from the receipts in the store."""

import pytest

from euguess.collection.budget import Sum, cost
from euguess.collection.layout import receipts_prefix, view_key
from euguess.collection.receipts import (
    Receipt,
    new_receipt,
    reduce_receipt,
    stored_spending,
    write_receipt,
)
from euguess.errors import DamagedRecord
from euguess.storage import ObjectStore

PRICE = 0.007


async def buy(store: ObjectStore, place: str, images: int) -> Receipt:
    receipt = new_receipt("demo", place, cost(images, PRICE))
    await write_receipt(store, receipt)
    return receipt


async def test_receipts_count_even_if_no_image_was_stored(memory_store: ObjectStore) -> None:
    await buy(memory_store, "google-a", 3)
    await buy(memory_store, "google-a", 1)
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(4, 28_000)


async def test_images_count_once_with_or_without_a_receipt(memory_store: ObjectStore) -> None:
    for place in ("google-a", "google-b"):
        for heading in (0, 120):
            await memory_store.put(view_key("demo", "FR", place, heading), b"image")
    await buy(memory_store, "google-a", 3)
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(5, 35_000)


async def test_a_reduced_receipt_counts_what_was_used(memory_store: ObjectStore) -> None:
    for place, used in (("google-a", 2), ("google-b", 0)):
        await reduce_receipt(memory_store, await buy(memory_store, place, 3), cost(used, PRICE))
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(2, 14_000)


async def test_of_two_versions_of_a_receipt_the_later_one_counts(memory_store: ObjectStore) -> None:
    """A listing while a receipt is reduced may find both, or either one."""
    receipt = await buy(memory_store, "google-a", 3)
    await reduce_receipt(memory_store, receipt, cost(1, PRICE))
    await write_receipt(memory_store, receipt)
    assert await stored_spending(memory_store, "demo", PRICE) == cost(1, PRICE)


async def test_the_later_version_of_a_receipt_is_listed_later(memory_store: ObjectStore) -> None:
    receipt = await buy(memory_store, "google-a", 3)
    await reduce_receipt(memory_store, receipt, cost(1, PRICE))
    (later,) = [key async for key in memory_store.list(receipts_prefix("demo"))]
    assert receipt.key < later


async def test_receipts_written_by_version_0_1_are_counted(memory_store: ObjectStore) -> None:
    for token in ("00ff", "0a0b"):
        key = f"{receipts_prefix('demo')}google-a/3x21000-{token}.json"
        await memory_store.put(key, b"{}")
    assert await stored_spending(memory_store, "demo", PRICE) == cost(6, PRICE)


@pytest.mark.parametrize("name", ["a.json", "1x2.json", "ff-1-3x.json", "ff-x-3x7000.json"])
async def test_a_receipt_without_an_amount_is_reported_as_damaged(
    memory_store: ObjectStore, name: str
) -> None:
    await memory_store.put(f"{receipts_prefix('demo')}google-a/{name}", b"{}")
    with pytest.raises(DamagedRecord, match=name):
        await stored_spending(memory_store, "demo", PRICE)
