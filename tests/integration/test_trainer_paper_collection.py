"""`euguess paper` collects what it needs by a real sampler, fetcher and simulator."""

import json
import subprocess

import pytest

from euguess.process.project import project_root
from euguess.settings import child_environment
from tests.support.fetcher_rig import Rig
from tests.support.sampler_process import sampler_process
from tests.support.warm_commands import run_warm

pytestmark = pytest.mark.timeout(240)
SMALL = ("--per-country=1", "--only=study/loading", "--json")


def paper(rig: Rig, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = child_environment(**rig.variables(), **variables, COLUMNS="200")
    return run_warm("services.trainer", ("paper", *options), env, project_root(), seconds=200)


def test_it_collects_what_is_missing_and_then_uses_what_is_stored(rig: Rig) -> None:
    with sampler_process(rig) as sampler, rig.worker():
        first = paper(rig, *SMALL, EUGUESS_SAMPLER_URL=sampler.url)
        assert first.returncode == 0, first.stderr
    assert (
        "Collect study: 32 places in 32 countries, 96 photos from simulator, free" in first.stderr
    )
    assert "Collect study-renewal: 32 places" in first.stderr
    assert json.loads(first.stdout)["loading"]["photos"] > 80
    again = paper(rig, *SMALL)
    assert again.returncode == 0, again.stderr
    assert "Collect" not in again.stderr


def test_without_a_stack_it_says_what_to_run(rig: Rig) -> None:
    answer = paper(rig, *SMALL)
    assert answer.returncode != 0
    assert "`euguess up`" in answer.stderr
