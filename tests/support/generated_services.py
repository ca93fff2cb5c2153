"""Fake services with a generated manifest, ten runs and 50 versions."""

from datetime import UTC, datetime

from dashboard.sources.runs import METRICS
from euguess.collection.status import total_counts
from euguess.geography.countries import PRESETS
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    StatusCounts,
)
from euguess.messages.training import SeenViews
from euguess.training.runs import TrainingRun
from tests.support.dashboard_services import FakeServices, candidate, fill, model_card
from tests.support.generated_dataset import generated_objects, generated_rows
from tests.support.generated_reports import generated_report

FULL, SMALL = PRESETS["eu32"].quotas, {"FR": 40, "LU": 40}
RUNS = 10
VERSIONS = 50


def services(quotas: dict[str, int]) -> FakeServices:
    versions = [candidate(number) for number in range(1, VERSIONS + 1)]
    made = FakeServices(card=model_card(*quotas), versions=versions, champion_version="1")
    fill(made, *generated_objects("demo", quotas))
    ids = {row["location_id"] for row in generated_rows("demo", quotas)}
    made.seen = SeenViews(location_ids=tuple(sorted(ids)[: len(ids) * 4 // 5]), sha256s=())
    countries = {
        code: StatusCounts(requested=n, stored=n // 2, no_coverage=0, failed=0, pending=n - n // 2)
        for code, n in quotas.items()
    }
    codes = tuple(quotas)
    made.runs = {
        f"run-{n}": generated_report(codes, is_leaky=n % 2 == 0, seed=n) for n in range(RUNS)
    }
    made.trainings = [training(f"run-{n}", n) for n in range(RUNS)]
    made.histories = {run: {m: [1 / e for e in range(1, 41)] for m in METRICS} for run in made.runs}
    made.statuses = [
        DatasetStatus(
            spec=DatasetSpec(name="demo", quotas=quotas),
            state=DatasetState.COLLECTING,
            total=total_counts(countries),
            countries=countries,
        )
    ]
    return made


def training(run_id: str, number: int) -> TrainingRun:
    return TrainingRun(
        run_id=run_id,
        status="FINISHED",
        started_at=datetime(2026, 2, 3, number, tzinfo=UTC),
        dataset="demo",
        protocol="location",
        settings={"name": f"recipe-{number}", "network": "googlenet", "epochs": "40"},
    )
