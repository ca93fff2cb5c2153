"""Candidates for the slots of a message."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from euguess.errors import InvalidInput
from euguess.geography.boundaries import Boundaries
from euguess.messages.collection import DatasetSpec, SlotKey
from services.sampler.candidates import CandidateSource
from services.sampler.slots import SlotWork, candidate_count

LatLon = tuple[float, float]


class Drawing:
    """Draws candidates; the prepared countries are kept, one set for each border buffer."""

    def __init__(self, boundaries: Boundaries) -> None:
        self._boundaries = boundaries
        self._sources: dict[float, CandidateSource] = {}

    def check(self, spec: DatasetSpec) -> None:
        """Raises InvalidInput when a country is unknown or has nothing inside the buffer."""
        unknown = [code for code in spec.quotas if code not in self._boundaries.codes]
        if unknown:
            raise InvalidInput(
                f"quotas: {', '.join(unknown)}: unknown country; there are "
                f"{', '.join(sorted(self._boundaries.codes))}."
            )
        for code in spec.quotas:
            self._source(spec).draw(code, seed=spec.seed, slots=[0], first=0, count=1)

    def draw(self, spec: DatasetSpec, works: Iterable[SlotWork]) -> dict[SlotKey, list[LatLon]]:
        """The next candidates of each slot, drawn together where they begin alike."""
        alike: defaultdict[tuple[str, int, int], list[SlotWork]] = defaultdict(list)
        for work in works:
            begin = (work.slot.country_code, work.next_candidate, candidate_count(work, spec))
            alike[begin].append(work)
        drawn: dict[SlotKey, list[LatLon]] = {}
        for (code, first, count), group in alike.items():
            drawn.update(self._draw_alike(spec, code, first, count, group))
        return drawn

    def _draw_alike(
        self, spec: DatasetSpec, code: str, first: int, count: int, group: Sequence[SlotWork]
    ) -> dict[SlotKey, list[LatLon]]:
        indices = [work.slot.index for work in group]
        points = self._source(spec).draw(
            code, seed=spec.seed, slots=indices, first=first, count=count
        )
        return {
            work.slot: [(float(lat), float(lon)) for lat, lon in stream]
            for work, stream in zip(group, points, strict=True)
        }

    def _source(self, spec: DatasetSpec) -> CandidateSource:
        buffer_km = spec.border_buffer_km
        if buffer_km not in self._sources:
            self._sources[buffer_km] = CandidateSource(self._boundaries, buffer_km)
        return self._sources[buffer_km]
