"""Prometheus metrics, built from the current state on each request."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from euguess.messages.collection import Budget
from services.sampler.controller import CollectionController

STATUSES = ("stored", "no_coverage", "failed", "pending")


class _Collector:
    def __init__(self, controller: CollectionController) -> None:
        self._controller = controller

    def collect(self) -> Iterator[Metric]:
        slots = GaugeMetricFamily(
            "euguess_slots", "Slots by dataset and status", labels=["dataset", "status"]
        )
        for name in self._controller.names:
            total = self._controller.status(name).total
            for status in STATUSES:
                slots.add_metric([name, status], getattr(total, status))
        yield slots
        yield GaugeMetricFamily(
            "euguess_slots_outstanding", "Slots in flight", self._controller.outstanding
        )
        yield GaugeMetricFamily(
            "euguess_reconcile_lag_seconds",
            "Time since the collection loop completed a round",
            self._controller.lag_seconds,
        )
        damaged = GaugeMetricFamily(
            "euguess_damaged_records", "Damaged records in the store", labels=["dataset"]
        )
        for name, keys in self._controller.damage.keys.items():
            damaged.add_metric([name], len(keys))
        yield damaged
        yield from self._spending()
        published = CounterMetricFamily("euguess_slots_published", "Slots published")
        published.add_metric([], self._controller.published_slots)
        yield published
        outcomes = CounterMetricFamily("euguess_outcomes", "Outcomes received", labels=["status"])
        for status_name, count in self._controller.outcome_counts.items():
            outcomes.add_metric([status_name], count)
        yield outcomes

    def _spending(self) -> Iterator[Metric]:
        """Yield spending, and the budget if there is one."""
        images = GaugeMetricFamily("euguess_images_spent", "Images paid for", labels=["dataset"])
        dollars = GaugeMetricFamily("euguess_dollars_spent", "Their price", labels=["dataset"])
        caps = GaugeMetricFamily("euguess_budget", "Budgets", labels=["dataset", "unit"])
        for name in self._controller.names:
            status = self._controller.status(name)
            images.add_metric([name], status.images_spent)
            dollars.add_metric([name], status.dollars_spent)
            for unit, cap in (status.budget or Budget()).model_dump().items():
                if cap is not None:
                    caps.add_metric([name, unit], cap)
        yield from (images, dollars, caps)


def render_metrics(controller: CollectionController) -> str:
    """Return the text of GET /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(controller))
    return generate_latest(registry).decode()
