"""The model registry: registered versions, and names shared by trainer, agent and clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

REGISTERED_MODEL = "euguess"
CHAMPION = "champion"
SEEN_FILE = "seen.json"  # SeenViews of a run
MODEL_CARD = "MODEL_CARD.md"
DATASET_CARD = "DATASET_CARD.md"
MODEL_ARTIFACTS = "model"  # artifact folder of a version's run
DECISIVE_METRIC = "top1_accuracy"


@dataclass(frozen=True)
class RegisteredVersion:
    """A registered version of the model, with the facts that the gate needs."""

    version: str
    run_id: str
    dataset: str
    manifest_digest: str
    protocol: str
    accuracy: float
    is_honest: bool
    faults: tuple[str, ...] = ()  # of the study, reproduced on purpose
    countries: tuple[str, ...] = ()  # codes that it can name; empty if not recorded
    may_leak: bool = False  # no leak was found, but it is unknown which photos share a place

    @classmethod
    def of(cls, version: str, run_id: str, tags: Mapping[str, str]) -> "RegisteredVersion":
        """Build one from the tags that the trainer registers it with."""
        return cls(
            version=version,
            run_id=run_id,
            dataset=tags.get("dataset", ""),
            manifest_digest=tags.get("manifest_digest", ""),
            protocol=tags.get("protocol", ""),
            accuracy=float(tags.get(DECISIVE_METRIC, "0")),
            is_honest=tags.get("is_honest") == "True",
            faults=tuple(filter(None, tags.get("faults", "").split(","))),
            countries=tuple(filter(None, tags.get("countries", "").split(","))),
            may_leak=tags.get("may_leak") == "True",
        )

    @property
    def test(self) -> str:
        """How far its test can be trusted, in a word."""
        if self.is_honest:
            return "honest"
        return "places unknown: may leak" if self.may_leak else "leaky or faulty"


class ModelRegistry(Protocol):
    """Registered versions, and the champion among them."""

    def champion(self) -> RegisteredVersion | None: ...

    def version(self, number: str) -> RegisteredVersion:
        """Return a version. Raises InvalidInput if there is none with this number."""

    def set_champion(self, version: str) -> None:
        """Set the champion alias, without any check: go through euguess.promotion.gate."""
