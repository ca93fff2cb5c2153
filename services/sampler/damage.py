"""Damaged records that the sampler has met: each is logged and becomes a dead letter once."""

import logging
from collections import defaultdict

from euguess.clock import utc_now
from euguess.collection.datasets import is_damaged
from euguess.collection.layout import slot_key
from euguess.collection.ledger import Ledger
from euguess.messages.collection import DeadLetter, SlotOutcome

logger = logging.getLogger(__name__)


class DamagedRecords:
    """Keys of damaged records by dataset. Redis errors pass through."""

    def __init__(self, ledger: Ledger) -> None:
        self.keys: defaultdict[str, set[str]] = defaultdict(set)
        self._ledger = ledger

    async def report(self, dataset: str, key: str) -> None:
        """Report a damaged record, unless it has been reported."""
        if key in self.keys[dataset]:
            return
        reason = f"the record {key} is damaged"
        letter = DeadLetter(source="sampler", reason=reason, payload={"key": key}, at=utc_now())
        await self._ledger.bury(letter)
        self.keys[dataset].add(key)
        logger.error("%s", reason, extra={"action": "damaged", "dataset": dataset})

    async def report_outcome(self, outcome: SlotOutcome) -> None:
        """Report an outcome if it stands for a damaged record."""
        if is_damaged(outcome):
            await self.report(outcome.dataset, slot_key(outcome.dataset, outcome.slot))

    def forget(self, dataset: str) -> None:
        """Forget the records of a dataset that is about to be read again."""
        self.keys.pop(dataset, None)
