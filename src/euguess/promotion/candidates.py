"""The model registry: names shared by trainer, model agent and clients, and what a version is."""

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
class Candidate:
    """A registered version and what decides on its promotion."""

    version: str
    run_id: str
    dataset: str
    manifest_digest: str
    protocol: str
    accuracy: float
    is_honest: bool
    faults: tuple[str, ...] = ()  # of the study, repeated on purpose

    @classmethod
    def of(cls, version: str, run_id: str, tags: Mapping[str, str]) -> "Candidate":
        """From the tags that the trainer registers a version with."""
        return cls(
            version=version,
            run_id=run_id,
            dataset=tags.get("dataset", ""),
            manifest_digest=tags.get("manifest_digest", ""),
            protocol=tags.get("protocol", ""),
            accuracy=float(tags.get(DECISIVE_METRIC, "0")),
            is_honest=tags.get("is_honest") == "True",
            faults=tuple(filter(None, tags.get("faults", "").split(","))),
        )


class Throne(Protocol):
    """Versions, and which of them is served."""

    def champion(self) -> Candidate | None: ...

    def version(self, number: str) -> Candidate:
        """Raises InvalidInput when there is no such version."""

    def crown(self, version: str) -> None:
        """Give a version the alias that is served; the rules are in euguess.promotion.gate."""
