"""Two processes that train the same run: one trains it, and it registers one version."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from euguess.clock import utc_now
from euguess.process.project import project_root, service_environment
from euguess.training.runs import ALIVE_TAG, LOST_AFTER
from services.trainer.errors import RunBusy
from services.trainer.runs.experiment import run_experiment
from services.trainer.session import Session
from tests.support.trainer_home import TrainerHome, tiny_request

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)

# Suspends itself once after an epoch, between two writes to the database.
TRAIN_AND_SUSPEND = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from rich.console import Console
from euguess.process.exits import run_command
from services.trainer.progress import ProgressDisplay
from services.trainer.runs.experiment import run_experiment
from tests.support.trainer_home import TrainerHome, tiny_request

class Suspending(ProgressDisplay):
    is_done = False

    def epoch(self, *_, **__):
        if not self.is_done:
            self.is_done = True
            os.kill(os.getpid(), signal.SIGSTOP)

session = TrainerHome(Path(sys.argv[1])).session()
session = replace(session, display=Suspending(Console(quiet=True)))
request = tiny_request(*sys.argv[2:])
run_command(lambda: run_experiment(request, session), name="trainer")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    found = TrainerHome(tmp_path_factory.mktemp("trainer"))
    found.fill()
    return found


@contextmanager
def suspended(home: TrainerHome, *overrides: str) -> Iterator[subprocess.Popen[str]]:
    """A trainer that is suspended after its first epoch; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_AND_SUSPEND, str(home.folder), *overrides],
        env=service_environment(EUGUESS_HOME=str(home.folder)),
        cwd=project_root(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        yield process
    finally:
        process.kill()
        process.communicate()


def registered(session: Session) -> list[str]:
    """Return the runs of all versions."""
    found = session.tracking.client.search_model_versions()
    return [str(version.run_id) for version in found]


def test_a_run_is_trained_by_one_process_until_that_is_killed(home: TrainerHome) -> None:
    session, request = home.session(), tiny_request("epochs=2")
    resumed = replace(request, is_resumed=True)
    with suspended(home, "epochs=2"):
        run = session.tracking.runs()[0]
        with pytest.raises(RunBusy, match="Another process is training"):
            run_experiment(resumed, session)
        with pytest.raises(RunBusy):  # a new run would overwrite the checkpoint
            run_experiment(request, session)
    outcome = run_experiment(resumed, session)
    assert outcome.run_id == run.run_id
    assert session.tracking.find(run.run_id).status == "FINISHED"
    assert session.registry.register(run.run_id, outcome.report) == outcome.candidate
    assert registered(session).count(run.run_id) == 1


def test_another_machine_takes_over_only_after_the_last_heartbeat_is_old(
    home: TrainerHome, tmp_path: Path
) -> None:
    # Exporting a model for registration would take most of the time.
    resumed = replace(tiny_request("epochs=3"), is_resumed=True, is_registered=False)
    with suspended(home, "epochs=3") as process:
        copy = TrainerHome(tmp_path / "copy")
        shutil.copytree(home.folder, copy.folder)
        session = copy.session(home.mlflow)
        run = session.tracking.runs()[0]
        session.tracking.client.set_tag(run.run_id, ALIVE_TAG, utc_now().isoformat())
        with pytest.raises(RunBusy, match="is being trained by a process on"):
            run_experiment(resumed, session)
        long_ago = utc_now() - LOST_AFTER - timedelta(seconds=1)
        session.tracking.client.set_tag(run.run_id, ALIVE_TAG, long_ago.isoformat())
        outcome = run_experiment(resumed, session)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "took over run" in said
    assert outcome.run_id == run.run_id
    assert session.tracking.find(run.run_id).status == "FINISHED"
    assert run.run_id not in registered(session)
