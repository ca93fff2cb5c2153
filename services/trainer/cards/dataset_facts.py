"""Facts about a dataset, counted from its specification, manifest and outcomes."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from euguess.collection.datasets import read_outcomes, read_spec, stored_slots
from euguess.collection.manifest_format import PLACE_COLUMN, Row
from euguess.collection.providers import ProviderName
from euguess.messages.collection import DatasetSpec, SlotOutcome
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from euguess.training.report import Places
from services.trainer.dataset.manifest import load_manifest

YEAR_DIGITS = 4


@dataclass(frozen=True)
class DatasetSource:
    """Photos of one provider under one licence, and locations by attribution."""

    provider: str
    license: str
    photos: int
    attributions: Mapping[str, int]

    @property
    def places(self) -> int:
        return sum(self.attributions.values())


@dataclass(frozen=True)
class DatasetFacts:
    """Counts of locations and photos; unrecorded facts are missing, None or counted under ''."""

    spec: DatasetSpec
    digest: str
    photos: int
    bytes: int
    positioned: int  # places with known position
    place_sources: Mapping[str, int]  # places by how they are known
    places: Mapping[str, int]  # by country
    years: Mapping[str, int]  # photos by year of capture
    sizes: Mapping[str, int]  # photos by width x height
    sources: tuple[DatasetSource, ...]
    collected: tuple[datetime, datetime] | None
    rejections: Mapping[str, int]  # rejected panoramas by reason

    @property
    def is_imported(self) -> bool:
        return self.spec.provider == ProviderName.FOLDER


def read_dataset_facts(dataset: str, settings: StoreSettings) -> DatasetFacts:
    """Read the facts about a dataset that has a manifest. Raises StoreError."""

    async def read() -> DatasetFacts:
        store = await open_store(settings)
        manifest = await load_manifest(store, dataset)
        spec = await read_spec(store, dataset)
        outcomes = await _outcomes(store, spec)
        return dataset_facts(spec, manifest.digest, manifest.table.to_pylist(), outcomes)

    return asyncio.run(read())


def dataset_facts(
    spec: DatasetSpec, digest: str, rows: Sequence[Row], outcomes: Sequence[SlotOutcome]
) -> DatasetFacts:
    """Count facts from the rows of a manifest and the outcomes (none if imported)."""
    places = {row["location_id"]: row for row in rows}.values()
    times = [outcome.finished_at for outcome in outcomes]
    return DatasetFacts(
        spec=spec,
        digest=digest,
        photos=len(rows),
        bytes=sum(row["bytes"] for row in rows),
        positioned=sum(row["lat"] is not None for row in places),
        place_sources=Counter(row.get(PLACE_COLUMN) or Places.KNOWN.value for row in places),
        places=Counter(row["country_code"] for row in places),
        years=Counter((row["captured_at"] or "")[:YEAR_DIGITS] for row in rows),
        sizes=Counter(f"{row['width']} x {row['height']}" for row in rows),
        sources=tuple(_sources(rows, places)),
        collected=(min(times), max(times)) if times else None,
        rejections=sum((Counter(outcome.rejections) for outcome in outcomes), Counter()),
    )


async def _outcomes(store: ObjectStore, spec: DatasetSpec) -> list[SlotOutcome]:
    if spec.provider == ProviderName.FOLDER:
        return []
    return await read_outcomes(store, spec.name, await stored_slots(store, spec.name))


def _sources(rows: Iterable[Row], places: Iterable[Row]) -> list[DatasetSource]:
    photos = Counter((row["provider"], row["license"]) for row in rows)
    attributions: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in photos}
    for place in places:
        attributions[place["provider"], place["license"]][place["attribution"]] += 1
    return [DatasetSource(*key, photos[key], attributions[key]) for key in sorted(photos)]
