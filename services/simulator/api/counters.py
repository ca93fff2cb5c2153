"""Counts of requests and of their simulated cost, for tests to read."""

from collections import Counter
from typing import Any


class Counters:
    """Requests since the start or the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._metadata_statuses: Counter[str] = Counter()
        self._image_statuses: Counter[int] = Counter()
        self._billed_by_key: Counter[str] = Counter()
        self._calls_per_view: Counter[str] = Counter()
        self._billed_per_view: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def count_metadata(self, status: str) -> None:
        self._metadata_statuses[status] += 1

    def count_image(self, status: int, *, key: str, view: str | None) -> None:
        """Count an image request for a view, named by panorama and heading; None for no view.

        Every 200 is billed, even for placeholders and broken pictures, as at the real provider.
        key is the label of a key, never the key itself.
        """
        self._image_statuses[status] += 1
        is_billed = status == 200
        self._billed_by_key[key] += is_billed
        if view is not None:
            self._calls_per_view[view] += 1
            self._billed_per_view[view] += is_billed

    def count_fault(self, mode: str) -> None:
        self._faults[mode] += 1

    def as_json(self) -> dict[str, Any]:
        """The body of GET /counters; views are named `panorama/heading`."""
        repeated = {view: n for view, n in self._billed_per_view.items() if n > 1}
        return {
            "metadata_calls": self._metadata_statuses.total(),
            "metadata_statuses": dict(self._metadata_statuses),
            "image_calls": self._image_statuses.total(),
            "image_statuses": {str(status): n for status, n in self._image_statuses.items()},
            "billed_images": self._billed_by_key.total(),
            "billed_by_key": dict(self._billed_by_key),
            "calls_per_view": dict(self._calls_per_view),
            "billed_more_than_once": repeated,
            "faults_applied": dict(self._faults),
        }
