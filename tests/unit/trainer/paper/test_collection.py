"""The collection before the experiments: what is planned, asked, collected and waited for."""

import asyncio
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from euguess.collection.budget import Sum
from euguess.collection.status import OutcomeCounts, Spending, build_status
from euguess.errors import DatasetNotFound, InvalidInput
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    SlotStatus,
)
from euguess.settings import StoreSettings
from euguess.storage import open_store
from services.trainer.cli.paper import ask
from services.trainer.paper.collection import Collector, Needed, Sources, require_complete
from services.trainer.progress import ProgressDisplay
from tests.support.stored_datasets import DatasetBuilder

SMALL = Sources(per_country=2)


def status_of(spec: DatasetSpec, stored: int = 0, *, is_stopped: bool = False) -> DatasetStatus:
    """The status with that many stored places in each country."""
    counts = OutcomeCounts(spec)
    for code, quota in spec.quotas.items():
        counts.ended[code][SlotStatus.STORED] = min(stored, quota)
    return build_status(counts, is_stopped=is_stopped, spending=Spending(spent=Sum()))


class FakeSampler:
    """Stores one more place per country between two questions about a running collection."""

    def __init__(self, *known: DatasetStatus) -> None:
        self.known = {status.spec.name: status for status in known}
        self.created: list[DatasetSpec] = []

    def create(self, spec: DatasetSpec) -> DatasetStatus:
        self.created.append(spec)
        known = self.known.get(spec.name)
        stored = max(n.stored for n in known.countries.values()) if known else 0
        self.known[spec.name] = status_of(spec, stored)
        return self.known[spec.name]

    def status(self, name: str) -> DatasetStatus:
        if name not in self.known:
            raise DatasetNotFound(name)
        return self.known[name]

    def work(self, seconds: float) -> None:
        for name, status in self.known.items():
            stored = max(n.stored for n in status.countries.values())
            self.known[name] = status_of(status.spec, stored + 1)


def refuse() -> None:
    raise InvalidInput("no consent")


def collector(sampler: FakeSampler, console: Console | None = None) -> Collector:
    display = ProgressDisplay(console or Console(quiet=True))
    return Collector(sampler, display, refuse, sleep=sampler.work)


def test_the_study_needs_its_quotas_and_its_renewal_set() -> None:
    study, renewal = Sources().study(None), Sources().renewal(None)
    assert (study.spec.name, study.spec.requested) == ("study", 14_260)
    assert (study.spec.quotas["FR"], study.spec.quotas["AL"], study.spec.quotas["LU"]) == (
        860,
        369,
        123,
    )
    places = renewal.spec.requested
    assert (renewal.spec.name, places, 3 * places) == ("study-renewal", 1_097, 3_291)
    assert study.spec.seed != renewal.spec.seed
    assert (study.spec.budget, study.is_named) == (None, False)


@pytest.mark.parametrize(
    ("provider", "name", "reason"),
    [
        ("simulator", "Bad Name", "name: "),
        ("Google", "mine", "provider: "),
        ("bing", "mine", "bing"),
    ],
)
def test_bad_names_and_providers_are_refused(provider: str, name: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Sources(provider).study(name)


def test_missing_datasets_are_planned_collected_and_waited_for() -> None:
    sampler, console = FakeSampler(), Console(file=StringIO(), record=True, width=200)
    needed = [SMALL.study(None), SMALL.renewal(None)]
    collector(sampler, console).complete(needed)
    assert [spec.name for spec in sampler.created] == ["study", "study-renewal"]
    assert all(status.state is DatasetState.COMPLETE for status in sampler.known.values())
    shown = console.export_text()
    assert "Collect study: 64 places in 32 countries, 192 photos from simulator, free" in shown


def test_complete_datasets_are_used_as_they_are() -> None:
    needed = [SMALL.study("mine"), SMALL.renewal(None)]
    sampler = FakeSampler(*(status_of(each.spec, stored=2) for each in needed))
    collector(sampler).complete(needed)
    assert sampler.created == []


def test_an_interrupted_collection_is_resumed_with_its_own_specification() -> None:
    spec = SMALL.study(None).spec.model_copy(update={"seed": 9})
    sampler = FakeSampler(status_of(spec, stored=1, is_stopped=True))
    collector(sampler).complete([SMALL.study(None)])
    assert sampler.created == [spec]
    assert sampler.status("study").total.stored == 64


def test_money_is_spent_only_with_consent_and_never_more_than_planned() -> None:
    needed = Sources("google", per_country=2).study(None)
    assert needed.spec.budget == Budget(images=192)
    sampler, console = FakeSampler(), Console(file=StringIO(), record=True, width=200)
    with pytest.raises(InvalidInput, match="no consent"):
        collector(sampler, console).complete([needed])
    assert sampler.created == []
    assert "USD 1.34 at list price" in console.export_text()


@pytest.mark.parametrize("is_stopped", [None, True])
def test_a_named_dataset_that_is_missing_or_stopped_needs_consent(is_stopped: bool | None) -> None:
    needed = SMALL.study("typing-error")
    known = [] if is_stopped is None else [status_of(needed.spec, 1, is_stopped=True)]
    sampler = FakeSampler(*known)
    with pytest.raises(InvalidInput, match="no consent"):
        collector(sampler).complete([needed])
    assert sampler.created == []


def test_nobody_is_asked_where_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))
    with pytest.raises(InvalidInput, match="add --yes"):
        ask()


def test_a_collection_that_somebody_stops_is_an_error_that_says_what_to_do() -> None:
    needed = SMALL.study(None)
    sampler = FakeSampler()

    def stop(seconds: float) -> None:
        sampler.known["study"] = status_of(needed.spec, 1, is_stopped=True)

    stopped = Collector(sampler, ProgressDisplay(Console(quiet=True)), refuse, sleep=stop)
    with pytest.raises(InvalidInput, match=r"stopped with 32 places .*--no-collect"):
        stopped.complete([needed])


def test_a_spent_budget_is_an_error_that_says_how_to_raise_it() -> None:
    needed = SMALL.study(None)
    sampler = FakeSampler()

    def spend(seconds: float) -> None:
        status = status_of(needed.spec, 1)
        paused = {"is_budget_spent": True, "reason": "the budget of 9 images is spent"}
        sampler.known["study"] = status.model_copy(update=paused)

    poor = Collector(sampler, ProgressDisplay(Console(quiet=True)), refuse, sleep=spend)
    with pytest.raises(InvalidInput, match="euguess dataset budget study"):
        poor.complete([needed])


def test_without_a_stack_the_error_says_what_to_run(tmp_path: Path) -> None:
    settings = StoreSettings(store_url=f"file://{tmp_path}")
    needed = Needed(DatasetSpec(name="demo", quotas={"FR": 2, "PL": 1}), is_named=True)
    with pytest.raises(DatasetNotFound, match="euguess up"):
        require_complete([needed], settings)
    asyncio.run(fill(settings, places=1))
    with pytest.raises(InvalidInput, match=r"1 of 3 places.*euguess up.*--no-collect"):
        require_complete([needed], settings)


def test_without_a_stack_complete_datasets_are_used(tmp_path: Path) -> None:
    settings = StoreSettings(store_url=f"file://{tmp_path}")
    asyncio.run(fill(settings, places=3))
    needed = Needed(DatasetSpec(name="demo", quotas={"FR": 9}), is_named=True)
    require_complete([needed], settings)


async def fill(settings: StoreSettings, places: int) -> None:
    builder = DatasetBuilder(await open_store(settings))
    await builder.create({"FR": 2, "PL": 1})
    for code, index in [("FR", 0), ("FR", 1), ("PL", 0)][:places]:
        await builder.add_location(code, index)
