"""Run a sweep from its file to its result; composition root of `euguess sweep`."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from euguess.errors import EUGuessError, InvalidInput
from euguess.process.children import end_tree
from euguess.process.locks import folder_lock
from euguess.process.project import service_command, service_environment
from euguess.settings import StoreSettings
from services.trainer.cache.decoding import OnDamage
from services.trainer.devices import (
    choose_device,
    reuse_freed_memory,
    set_up_device,
    use_available_cores,
)
from services.trainer.progress import ProgressDisplay
from services.trainer.sweeps.data import SplitDataLoader, SweepSource
from services.trainer.sweeps.result import SweepResult, result_of
from services.trainer.sweeps.space import check_space
from services.trainer.sweeps.spec import Sweep, read_sweep
from services.trainer.sweeps.status import SweepStatus
from services.trainer.sweeps.study import StudyStorage, open_study, storage_errors
from services.trainer.sweeps.trials import POLL_SECONDS, Worker

STOP_SECONDS = 10.0  # for a worker to requeue its trial


@dataclass(frozen=True)
class SweepRequest:
    """A sweep to run. join: the study that this process joins as a worker of another command."""

    dataset: str
    file: Path
    trials: int | None = None
    workers: int = 1
    storage_url: str = ""
    silence_seconds: int = 60
    device: str = "auto"
    is_repeatable: bool = False
    on_damage: OnDamage = OnDamage.RAISE
    join: str | None = None


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep whose trials are all done, and the folder for its report."""

    sweep: Sweep
    result: SweepResult
    folder: Path


def run_sweep(
    request: SweepRequest, home: Path, store: StoreSettings, console: Console
) -> FinishedSweep:
    """Run the remaining trials, in this process or in several workers."""
    reuse_freed_memory()
    use_available_cores(request.workers)
    sweep, display = _sweep(request), ProgressDisplay(console)
    device = choose_device(request.device)
    set_up_device(device, is_repeatable=request.is_repeatable)
    source = SweepSource(request.dataset, home, store, device, display, request.on_damage)
    split_data = SplitDataLoader(source)
    storage = _storage_of(request, sweep, split_data)
    folder = source.folder / storage.name
    with folder_lock(folder):  # two processes cannot create the tables at the same time
        study = open_study(sweep, sweep.recipe_of({}).epochs, storage)
    with storage_errors(), display.bar(f"Sweep {storage.name}") as bar:
        watch = SweepStatus(sweep.spec, display, bar)
        if request.workers == 1 or request.join:
            split_data.source = replace(source, display=ProgressDisplay(Console(quiet=True)))
            Worker(sweep, study, storage, split_data.of, device, watch).run()
        else:
            split_data.forget()
            _run_workers(request, storage, folder, lambda: watch(study))
    with storage_errors():
        return FinishedSweep(sweep, result_of(sweep, study, request.dataset), folder)


def _sweep(request: SweepRequest) -> Sweep:
    sweep = read_sweep(request.file)
    check_space(sweep)
    if request.trials is None:
        return sweep
    return replace(sweep, spec=sweep.spec.model_copy(update={"trials": request.trials}))


def _storage_of(request: SweepRequest, sweep: Sweep, split_data: SplitDataLoader) -> StudyStorage:
    digest = sweep.digest(split_data.of(sweep.base).manifest_digest)
    name = f"{sweep.spec.name}-{request.dataset}-{digest[:8]}"
    if request.join not in (None, name):
        raise InvalidInput(
            f"The dataset or the files of the sweep {request.join} have changed since it started. "
            "Start the sweep again."
        )
    file = split_data.source.folder / name / "study.db"
    url = request.storage_url or f"sqlite:///{file.resolve()}"
    return StudyStorage(name, url, request.silence_seconds)


def _run_workers(
    request: SweepRequest, storage: StudyStorage, folder: Path, show_status: Callable[[], None]
) -> None:
    options = {
        "--space": str(request.file),
        "--workers": str(request.workers),
        "--silence": str(request.silence_seconds),
        "--device": request.device,
        "--join": storage.name,
        **({"--trials": str(request.trials)} if request.trials else {}),
    }
    flags = ["--skip-damaged"] if request.on_damage is OnDamage.SKIP else []
    pairs = [part for option in options.items() for part in option]
    command = service_command("trainer", "sweep", request.dataset, *pairs, *flags)
    # In the environment: the URL may hold a password, and every user can see command lines.
    environment = service_environment(EUGUESS_SWEEP_STORAGE=request.storage_url)
    _run_processes(request.workers, command, environment, folder, show_status)


def _run_processes(
    count: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    show_status: Callable[[], None],
) -> None:
    """Start workers, show the status while they run, and return when all have ended.

    They log to folder. If a worker fails, the others take over its trials; raises EUGuessError if
    all of them failed.
    """
    logs = [folder / f"worker-{number}.log" for number in range(1, count + 1)]
    with _started(command, environment, logs) as processes:
        while any(process.poll() is None for process in processes):
            show_status()
            time.sleep(POLL_SECONDS)
    show_status()
    if all(process.returncode for process in processes):
        raise EUGuessError(f"All {count} workers failed; {logs[0]} ends with: {_end_of(logs[0])}")


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], logs: Sequence[Path]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for log in logs:
            with log.open("wb") as file:
                processes.append(
                    subprocess.Popen(
                        command, env=environment, stdout=file, stderr=subprocess.STDOUT
                    )
                )
        yield processes
    finally:
        for process in processes:
            end_tree(process, STOP_SECONDS)


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
