"""Receipts in the store for the spending of a collection.

Under a budget a receipt is stored before images are bought, so that no paid image is forgotten if
Redis loses its data or a fetcher is killed. A receipt's key holds the amount, so that one listing
adds them up.
"""

import secrets
from collections import defaultdict
from dataclasses import dataclass

from euguess.collection.budget import Sum, cost
from euguess.collection.layout import images_prefix, receipts_prefix
from euguess.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Receipt:
    """Images of a location that were paid for, or were about to be."""

    key: str
    amount: Sum


async def write_receipt(store: ObjectStore, dataset: str, location_id: str, amount: Sum) -> Receipt:
    """Store a receipt before the purchase."""
    name = f"{amount.images}x{amount.micros}-{secrets.token_hex(8)}.json"
    key = f"{receipts_prefix(dataset)}{location_id}/{name}"
    await store.create(key, b"{}")
    return Receipt(key, amount)


async def reduce_receipt(
    store: ObjectStore, dataset: str, location_id: str, receipt: Receipt, used: Sum
) -> None:
    """Correct a receipt if not everything was bought; a crash in between leaves too much."""
    if used.images:
        await write_receipt(store, dataset, location_id, used)
    await store.delete(receipt.key)


async def stored_spending(store: ObjectStore, dataset: str, dollars_per_image: float) -> Sum:
    """Sum, per location, the larger of its receipts and its stored images at today's price."""
    images: defaultdict[str, int] = defaultdict(int)
    async for key in store.list(images_prefix(dataset)):
        images[_location_id(key)] += 1
    receipts: defaultdict[str, Sum] = defaultdict(Sum)
    async for key in store.list(receipts_prefix(dataset)):
        receipts[_location_id(key)] += _amount(key)
    total = Sum()
    for location_id in images.keys() | receipts.keys():
        stored = cost(images[location_id], dollars_per_image)
        paid = receipts[location_id]
        total += Sum(max(stored.images, paid.images), max(stored.micros, paid.micros))
    return total


def _location_id(key: str) -> str:
    return key.split("/")[-2]


def _amount(key: str) -> Sum:
    images, _, micros = key.rpartition("/")[2].partition("-")[0].partition("x")
    return Sum(int(images), int(micros))
