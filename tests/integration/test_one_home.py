"""One home: the same datasets, runs, models and decisions with and without a running stack."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from euguess.cli.datasets import wait_until_complete
from euguess.clients import RegistryClient, SamplerClient
from euguess.collection.datasets import stored_status
from euguess.messages.collection import DatasetSpec
from euguess.process.programs import find_redis
from euguess.promotion.audit import StoredAuditLog
from euguess.promotion.gate import PromotionRequest, promote
from euguess.promotion.rollback import roll_back
from euguess.promotion.versions import MODEL_ARTIFACTS
from euguess.settings import MlflowSettings, ServiceSettings, StoreSettings
from euguess.stack.credentials import load_credentials
from euguess.stack.local import local_stack
from euguess.stack.plan import Port, StackPlan
from euguess.stack.processes import ServerSpec
from euguess.storage import open_store
from euguess.training.runs import REPORT_FILE, TESTED_METRIC
from services.inference.model_package import verify_package
from services.inference.model_registry import MlflowRegistry
from services.trainer.session import Session
from services.trainer.tracking.ownership import new_owner
from tests.e2e.running import free_port_base
from tests.support.generated_reports import generated_report
from tests.support.model_packages import make_package
from tests.support.promotions import contest
from tests.support.trainer_home import QUOTAS, TrainerHome

pytestmark = [
    pytest.mark.timeout(400),
    # MLflow's own queries, with SQLAlchemy 2.1
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # MLflow keeps its HTTP connections open until they are collected
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
PLACES = 3


class CollectingStack(StackPlan):
    """A stack without trainer, TorchServe and dashboard, which starts sooner."""

    def services(self) -> list[ServerSpec]:
        return [spec for spec in super().services() if spec.name in ("sampler", "fetcher")]


@contextmanager
def stack_of(home: Path) -> Iterator[StackPlan]:
    plan = CollectingStack(
        home=home,
        port_base=free_port_base(),
        credentials=load_credentials(home),
        redis_program=find_redis(),
        fetchers=1,
    )
    with local_stack(plan, print):
        yield plan


@pytest.fixture
def trainer(home: Path) -> TrainerHome:
    """A home with an imported dataset, which no stack has ever used."""
    home.mkdir(parents=True)
    trainer = TrainerHome(home)
    trainer.fill()
    return trainer


def registered_run(session: Session, folder: Path) -> str:
    """Write a tested run and register its model, as training does; return its id."""
    tracking, report = session.tracking, generated_report(tuple(QUOTAS), "tiny")
    with tracking.run("tiny", {"dataset": "tiny"}, {"name": "tiny"}, new_owner(folder)) as run_id:
        tracking.log_model(run_id, make_package(folder))
        tracking.log_text(run_id, report.model_dump_json(), REPORT_FILE)
        tracking.log_metrics(run_id, {TESTED_METRIC: 0.5})
    session.registry.register(run_id, report)
    return run_id


def make_champion(run_id: str, session: Session) -> None:
    version = session.registry.version_of(run_id)
    assert version is not None
    request = PromotionRequest(version, is_forced=True, reason="a test")
    log = StoredAuditLog(StoreSettings.load())
    promote(request, session.registry, log, lambda _: contest(0.1, 0.3))


def collect(plan: StackPlan) -> None:
    with SamplerClient(plan.address(Port.SAMPLER)) as sampler:
        names = {status.spec.name for status in sampler.datasets()}
        assert names == {"tiny"}
        sampler.create(DatasetSpec(name="collected", quotas={"FR": PLACES}))
        assert wait_until_complete(sampler, "collected").total.pending == 0


def test_nothing_vanishes_when_a_stack_starts_or_stops(
    trainer: TrainerHome, tmp_path: Path
) -> None:
    session = trainer.session(MlflowSettings.load())
    first = registered_run(session, tmp_path / "first")
    make_champion(first, session)
    second = registered_run(session, tmp_path / "second")
    make_champion(second, session)

    with stack_of(trainer.folder) as plan:
        assert ServiceSettings.load().sampler_url == plan.address(Port.SAMPLER)
        collect(plan)
        with RegistryClient(plan.address(Port.MLFLOW)) as registry:
            runs = {run.run_id for run in registry.finished_runs()}
            assert runs == {first, second}
            champion = registry.champion_version()
            assert champion is not None
            assert champion.run_id == second
            assert registry.run_report(first).recipe_name == "tiny"
        session = trainer.session(MlflowSettings.load())
        log = StoredAuditLog(StoreSettings.load())
        assert [entry.version for entry in log.entries()] == ["1", "2"]
        assert roll_back(session.registry, log, "a test").version == "1"
        found = MlflowRegistry(MlflowSettings.load().url)
        served = found.champion()
        assert served is not None
        verify_package(found.download(served, tmp_path / "served"))
        third = registered_run(session, tmp_path / "third")

    assert not ServiceSettings.load().sampler_url
    store = asyncio.run(open_store(StoreSettings.load()))
    assert asyncio.run(stored_status(store, "collected")).total.stored == PLACES
    assert asyncio.run(stored_status(store, "tiny")).total.stored == sum(QUOTAS.values())
    tracking = trainer.session(MlflowSettings.load()).tracking
    assert {run.run_id for run in tracking.runs()} == {first, second, third}
    verify_package(tracking.fetch(third, MODEL_ARTIFACTS, tmp_path / "fetched"))
    entries = StoredAuditLog(StoreSettings.load()).entries()
    assert [entry.version for entry in entries] == ["1", "2", "1"]
