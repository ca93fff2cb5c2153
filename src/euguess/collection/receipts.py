"""Receipts in the store for the spending of a collection.

A receipt is stored before images are bought, so that no paid image is forgotten if Redis loses its
data or a fetcher is killed. Afterwards it is reduced to what was used. A receipt's key holds the
amount, so that one listing adds them up.
"""

import re
import secrets
from collections import defaultdict
from dataclasses import dataclass, replace

from euguess.collection.budget import Sum, cost
from euguess.collection.layout import images_prefix, receipts_prefix
from euguess.errors import DamagedRecord
from euguess.storage import ObjectStore

_FOLDER = r"datasets/(?P<dataset>[^/]+)/receipts/(?P<location>[^/]+)/"
_AMOUNT = r"(?P<images>\d+)x(?P<micros>\d+)"
_NAME = re.compile(rf"{_FOLDER}(?P<token>[0-9a-f]+)-(?P<version>\d+)-{_AMOUNT}\.json", re.ASCII)
_NAME_0_1 = re.compile(rf"{_FOLDER}{_AMOUNT}-(?P<token>[0-9a-f]+)\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Images of a location that were paid for, or are about to be.

    The highest version of a token counts. Its name sorts last, so that a listing that runs while a
    receipt is reduced finds at least one version.
    """

    dataset: str
    location_id: str
    token: str
    version: int
    amount: Sum

    @property
    def key(self) -> str:
        name = f"{self.token}-{self.version}-{self.amount.images}x{self.amount.micros}.json"
        return f"{receipts_prefix(self.dataset)}{self.location_id}/{name}"

    @classmethod
    def parse(cls, key: str) -> "Receipt":
        """Read a receipt from its key. Raises DamagedRecord."""
        parts = _NAME.fullmatch(key) or _NAME_0_1.fullmatch(key)
        if parts is None:
            raise DamagedRecord(key)
        amount = Sum(int(parts["images"]), int(parts["micros"]))
        version = int(parts.groupdict().get("version", 1))
        return cls(parts["dataset"], parts["location"], parts["token"], version, amount)


def new_receipt(dataset: str, location_id: str, amount: Sum) -> Receipt:
    """Return the receipt for a purchase that will be made."""
    return Receipt(dataset, location_id, secrets.token_hex(8), 1, amount)


async def write_receipt(store: ObjectStore, receipt: Receipt) -> None:
    """Store a receipt."""
    await store.create(receipt.key, b"{}")


async def reduce_receipt(store: ObjectStore, receipt: Receipt, used: Sum) -> None:
    """Correct a receipt if not everything was bought; a crash in between leaves too much."""
    if used.images:
        await write_receipt(store, replace(receipt, version=receipt.version + 1, amount=used))
    await store.delete(receipt.key)


async def stored_spending(store: ObjectStore, dataset: str, dollars_per_image: float) -> Sum:
    """Sum, per location, the larger of its receipts and its stored images at today's price."""
    images: defaultdict[str, int] = defaultdict(int)
    async for key in store.list(images_prefix(dataset)):
        images[key.split("/")[-2]] += 1
    receipts = await _receipts_by_location(store, dataset)
    total = Sum()
    for location_id in images.keys() | receipts.keys():
        stored = cost(images[location_id], dollars_per_image)
        paid = receipts[location_id]
        total += Sum(max(stored.images, paid.images), max(stored.micros, paid.micros))
    return total


async def _receipts_by_location(store: ObjectStore, dataset: str) -> defaultdict[str, Sum]:
    latest: dict[tuple[str, str], Receipt] = {}
    async for key in store.list(receipts_prefix(dataset)):
        receipt = Receipt.parse(key)
        place = receipt.location_id, receipt.token
        if place not in latest or latest[place].version < receipt.version:
            latest[place] = receipt
    sums: defaultdict[str, Sum] = defaultdict(Sum)
    for receipt in latest.values():
        sums[receipt.location_id] += receipt.amount
    return sums
