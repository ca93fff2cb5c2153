"""Cards as they lie with the versions, with what was decided since."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from euguess.errors import InvalidInput
from euguess.promotion.audit import Log
from euguess.promotion.candidates import DATASET_CARD, MODEL_CARD
from services.trainer.cards.promotion_text import promotion_section
from services.trainer.tracking.runs import Tracking
from services.trainer.tracking.versions import Registry


@dataclass(frozen=True)
class StoredCard:
    """A card's file name and Markdown."""

    version: str
    run_id: str
    name: str
    text: str


def read_card(
    version: str | None, tracking: Tracking, registry: Registry, log: Log, *, is_data: bool = False
) -> StoredCard:
    """Of a version, else of the champion. Raises InvalidInput where there is none."""
    candidate = registry.champion() if version is None else registry.version(version)
    if candidate is None:
        raise InvalidInput("There is no champion yet; name a version: `euguess models card 1`.")
    name = DATASET_CARD if is_data else MODEL_CARD
    text = _fetched(candidate.run_id, name, tracking)
    if not is_data:
        text += f"\n{promotion_section(candidate.version, log.entries())}\n"
    return StoredCard(candidate.version, candidate.run_id, name, text)


def _fetched(run_id: str, name: str, tracking: Tracking) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return tracking.fetch(run_id, name, Path(folder)).read_text()
        except InvalidInput:
            raise InvalidInput(
                f"Run {run_id} has no {name}; train its recipe again to have one written."
            ) from None
