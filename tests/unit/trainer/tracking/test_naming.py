"""The names by which users call a run."""

from unittest.mock import Mock

import pytest

from euguess.errors import InvalidInput
from euguess.promotion.versions import RegisteredVersion
from services.trainer.tracking.naming import run_named
from services.trainer.tracking.runs import Tracking
from services.trainer.tracking.versions import Registry

IDS = ("3abc0000", "3abd0000", "4bcd0000")


class Runs(Tracking):
    """Tracking with three runs and no MLflow."""

    def __init__(self) -> None:
        pass

    def runs(self) -> list[Mock]:  # type: ignore[override] # only ids matter
        return [Mock(run_id=run_id) for run_id in IDS]

    def find(self, run_id: str) -> Mock:
        raise InvalidInput(f"There is no run {run_id!r}.")


@pytest.fixture
def registry() -> Mock:
    versions = [RegisteredVersion.of(n, run, {}) for n, run in (("3", IDS[2]), ("1", IDS[0]))]
    found = Mock(Registry)
    found.find_version = lambda number: next((v for v in versions if v.version == number), None)
    found.champion.return_value = versions[1]
    return found


@pytest.mark.parametrize(
    ("name", "run_id"),
    [("champion", IDS[0]), ("3", IDS[2]), ("4", IDS[2]), ("3abd", IDS[1]), (IDS[0], IDS[0])],
)
def test_a_run_is_found_by_version_start_of_id_or_as_champion(
    registry: Mock, name: str, run_id: str
) -> None:
    assert run_named(name, Runs(), registry) == run_id


def test_a_start_that_several_runs_share_lists_them(registry: Mock) -> None:
    with pytest.raises(InvalidInput, match="2 runs start with '3ab': 3abc0000, 3abd0000"):
        run_named("3ab", Runs(), registry)


@pytest.mark.parametrize("name", ["missing", ""])
def test_an_unknown_run_is_named(registry: Mock, name: str) -> None:
    with pytest.raises(InvalidInput, match="There is no run"):
        run_named(name, Runs(), registry)


def test_without_a_champion_the_error_says_how_to_get_one(registry: Mock) -> None:
    registry.champion.return_value = None
    with pytest.raises(InvalidInput, match="euguess train DATASET --promote"):
        run_named("champion", Runs(), registry)
