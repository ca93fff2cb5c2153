"""The study of a sweep (Optuna), in a database that any number of processes share."""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from euguess.errors import ServiceUnavailable
from services.trainer.sweeps.spec import Sweep, SweepSpec

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
COUNTED = (*FINISHED, TrialState.RUNNING, TrialState.WAITING)  # all but failed ones
STARTED = "started"  # attribute of a trial that has values and sends heartbeats
MAX_RETRIES = 3  # of values that kill their worker each time, perhaps for lack of memory
LOCK_WAIT_SECONDS = 60  # for other processes that write to the same SQLite file
CONNECT_ATTEMPTS = 4
CONNECT_WAIT_SECONDS = 0.5
BEATS_PER_GRACE = 4
SEED_STRIDE = 100_003  # a prime, so that trials of neighbouring sweep seeds do not collide


@dataclass(frozen=True)
class StudyStorage:
    """A study's name and database URL. After grace_seconds without heartbeat, a worker is lost."""

    name: str
    url: str
    grace_seconds: int


class SeededSampler(BaseSampler):
    """Tree-structured Parzen estimator (Bergstra et al., 2011) with its own seed for each trial.

    The draws of a trial depend only on its number and on earlier trials, so a resumed sweep neither
    repeats draws nor differs from an uninterrupted one.
    """

    def __init__(self, seed: int, startup_trials: int) -> None:
        self._seed = seed
        self._startup_trials = startup_trials
        self._inner = TPESampler()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        seed = (self._seed * SEED_STRIDE + trial.number) % 2**32
        self._inner = TPESampler(seed=seed, n_startup_trials=self._startup_trials)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._inner.after_trial(study, trial, state, values)


def open_study(sweep: Sweep, epochs: int, storage: StudyStorage) -> Study:
    """Create or resume the study of that name. Raises ServiceUnavailable."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors():
        return optuna.create_study(
            storage=_with_retries(lambda: _storage(storage)),
            study_name=storage.name,
            sampler=SeededSampler(sweep.spec.seed, sweep.spec.startup_trials),
            pruner=_pruner(sweep.spec, epochs),
            direction="maximize" if sweep.spec.objective == "val_accuracy" else "minimize",
            load_if_exists=True,
        )


def count(study: Study, states: tuple[TrialState, ...]) -> int:
    return len(study.get_trials(deepcopy=False, states=states))


def run_again(study: Study, trial: FrozenTrial) -> None:
    """Requeue the values of an interrupted trial, up to MAX_RETRIES times."""
    retry = _without_warning(RetryHeartbeatStaleTrialCallback, max_retry=MAX_RETRIES)
    retry(study, trial)


def free_lost_trials(study: Study, storage: StudyStorage) -> None:
    """Requeue the values of trials whose workers died."""
    _without_warning(optuna.storages.fail_stale_trials, study)
    oldest = datetime.now() - timedelta(seconds=storage.grace_seconds)  # noqa: DTZ005 - Optuna's
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        is_started = trial.user_attrs.get(STARTED) == trial.number
        if not is_started and trial.datetime_start and trial.datetime_start < oldest:
            with contextlib.suppress(ValueError):  # another process was faster
                study.tell(trial.number, state=TrialState.FAIL)


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn errors of the database into ServiceUnavailable, without its URL."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        cause = error.__cause__ or error
        raise ServiceUnavailable(
            f"The sweep database failed ({type(cause).__name__}). Check "
            "EUGUESS_SWEEP_STORAGE (a URL like postgresql://user:password@host/sweeps), or unset "
            "it to use a file in the home."
        ) from None


def _storage(storage: StudyStorage) -> RDBStorage:
    is_file = storage.url.startswith("sqlite:")
    opened: RDBStorage = _without_warning(
        RDBStorage,
        storage.url,
        engine_kwargs={"connect_args": {"timeout": LOCK_WAIT_SECONDS}} if is_file else None,
        heartbeat_interval=max(1, storage.grace_seconds // BEATS_PER_GRACE),
        grace_period=storage.grace_seconds,
        heartbeat_stale_trial_callback=run_again,
    )
    return opened


def _with_retries(connect: Callable[[], RDBStorage]) -> RDBStorage:
    """Retry while another process, perhaps on another machine, creates the same tables."""
    for _ in range(CONNECT_ATTEMPTS - 1):
        try:
            return connect()
        except (DBAPIError, StorageInternalError):
            time.sleep(CONNECT_WAIT_SECONDS)
    return connect()


def _pruner(spec: SweepSpec, epochs: int) -> BasePruner:
    if spec.pruner == "median":
        return MedianPruner(n_startup_trials=spec.startup_trials)
    if spec.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=epochs)
    return NopPruner()


def _without_warning(function: Any, *args: Any, **options: Any) -> Any:
    """Call an experimental function of Optuna without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return function(*args, **options)
