"""Spending of a collection, computed from the receipts in the store."""

from euguess.collection.budget import Sum, cost
from euguess.collection.layout import view_key
from euguess.collection.receipts import reduce_receipt, stored_spending, write_receipt
from euguess.storage import ObjectStore

PRICE = 0.007


async def test_receipts_count_even_if_no_image_was_stored(memory_store: ObjectStore) -> None:
    await write_receipt(memory_store, "demo", "google-a", cost(3, PRICE))
    await write_receipt(memory_store, "demo", "google-a", cost(1, PRICE))
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(4, 28_000)


async def test_images_count_once_with_or_without_a_receipt(memory_store: ObjectStore) -> None:
    for place in ("google-a", "google-b"):
        for heading in (0, 120):
            await memory_store.put(view_key("demo", "FR", place, heading), b"image")
    await write_receipt(memory_store, "demo", "google-a", cost(3, PRICE))
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(5, 35_000)


async def test_a_reduced_receipt_counts_what_was_used(memory_store: ObjectStore) -> None:
    for place, used in (("google-a", 2), ("google-b", 0)):
        receipt = await write_receipt(memory_store, "demo", place, cost(3, PRICE))
        await reduce_receipt(memory_store, "demo", place, receipt, cost(used, PRICE))
    assert await stored_spending(memory_store, "demo", PRICE) == Sum(2, 14_000)
