"""Trainer commands in processes of their own that need not import torch and MLflow again.

Importing them takes longer than most commands. A fork server imports them once; each command runs
in a fork of it, with its own environment, working directory and output.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PRELOADED = ["mlflow", "services.trainer.runs.experiment", "services.trainer.cli.evaluate"]
STDOUT, STDERR = 1, 2


def run_warm(
    module: str, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` in a fork, like subprocess.run. Raises TimeoutExpired."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    argv = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryDirectory() as folder:
        outputs = (Path(folder, "out"), Path(folder, "err"))
        process = context.Process(target=_run, args=(module, arguments, dict(env), cwd, outputs))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(argv, seconds)
        stdout, stderr = (output.read_text() for output in outputs)
        return subprocess.CompletedProcess(argv, process.exitcode, stdout, stderr)


def _run(
    module: str,
    arguments: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    outputs: tuple[Path, Path],
) -> None:
    for number, output in zip((STDOUT, STDERR), outputs, strict=True):
        with output.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()  # noqa: TID251 - this process is the child
    os.environ.update(env)  # noqa: TID251
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
