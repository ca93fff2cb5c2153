"""What a collection has spent, as the store knows it.

Under a budget a receipt is stored before images are bought, so that neither a lost Redis nor a
killed fetcher makes a paid image forgotten. Its key says all, and one listing adds them up.
"""

import secrets
from collections import defaultdict
from dataclasses import dataclass

from euguess.collection.budget import Sum, cost
from euguess.collection.layout import images_prefix, receipts_prefix
from euguess.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Receipt:
    """Images of a place that were paid for, or were about to be."""

    key: str
    amount: Sum


async def write_receipt(store: ObjectStore, dataset: str, location_id: str, amount: Sum) -> Receipt:
    """Note a purchase before it is made."""
    name = f"{amount.images}x{amount.micros}-{secrets.token_hex(8)}.json"
    key = f"{receipts_prefix(dataset)}{location_id}/{name}"
    await store.create(key, b"{}")
    return Receipt(key, amount)


async def reduce_receipt(
    store: ObjectStore, dataset: str, location_id: str, receipt: Receipt, used: Sum
) -> None:
    """Correct a receipt when not all was bought; a crash meanwhile leaves rather too much."""
    if used.images:
        await write_receipt(store, dataset, location_id, used)
    await store.delete(receipt.key)


async def stored_spending(store: ObjectStore, dataset: str, dollars_per_image: float) -> Sum:
    """Of each place its receipts or, if that is more, its stored images at the present price."""
    images: defaultdict[str, int] = defaultdict(int)
    async for key in store.list(images_prefix(dataset)):
        images[_place(key)] += 1
    receipts: defaultdict[str, Sum] = defaultdict(Sum)
    async for key in store.list(receipts_prefix(dataset)):
        receipts[_place(key)] += _amount(key)
    total = Sum()
    for place in images.keys() | receipts.keys():
        stored, paid = cost(images[place], dollars_per_image), receipts[place]
        total += Sum(max(stored.images, paid.images), max(stored.micros, paid.micros))
    return total


def _place(key: str) -> str:
    return key.split("/")[-2]


def _amount(key: str) -> Sum:
    images, _, micros = key.rpartition("/")[2].partition("-")[0].partition("x")
    return Sum(int(images), int(micros))
