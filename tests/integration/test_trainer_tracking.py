"""The MLflow database of a home, shared by several processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from euguess.process.project import project_root, service_environment

pytestmark = pytest.mark.timeout(180)

PROCESSES = 3
WRITE_A_RUN = """
import sys
from pathlib import Path
from services.trainer.tracking.ownership import new_owner
from services.trainer.tracking.runs import open_tracking

print("ready", flush=True)
sys.stdin.readline()
home = Path(sys.argv[1])
tracking = open_tracking(f"sqlite:///{home / 'mlflow.db'}", home)
with tracking.run("run", {}, {}, new_owner(home / "lock")):
    pass
print([run.status for run in tracking.runs()])
"""


def test_concurrent_processes_create_one_database_and_each_writes_its_run(
    tmp_path: Path,
) -> None:
    argv = (sys.executable, "-c", WRITE_A_RUN, str(tmp_path))
    writers = [
        subprocess.Popen(
            argv,
            cwd=project_root(),
            env=service_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    answers = [writer.communicate("go\n") for writer in writers]
    assert all("FINISHED" in said for said, _ in answers), answers
    assert max(said.count("FINISHED") for said, _ in answers) == PROCESSES
