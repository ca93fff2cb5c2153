"""Run the study's experiments on another dataset, and measure the effect of each fault.

Runs all recipes of the folders experiments/study and experiments/fixed. Finished runs are reused
and interrupted ones resumed, so repeating a request trains nothing twice.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from pydantic import ValidationError

from euguess.errors import EUGuessError, InvalidInput, ServiceUnavailable, StoreError
from euguess.messages.serving import ImageSpec
from euguess.training.recipes.recipe import Recipe, read_recipe
from euguess.training.report import Report
from euguess.training.study_facts import LOADING
from services.trainer.cache.decoding import OnDamage
from services.trainer.cache.format import TensorCache
from services.trainer.models.paired import PhotoResults
from services.trainer.models.stored_model import evaluate_stored
from services.trainer.paper.contents import Contents, read_contents
from services.trainer.paper.loading import LoadingTimes, measure_loading
from services.trainer.runs.experiment import RunRequest
from services.trainer.runs.protocols import RENEWAL
from services.trainer.runs.reuse import measured, stored_report
from services.trainer.session import Session, load_cache
from services.trainer.tracking.runs import ANSWERS_FILE

FOLDERS = ("study", "fixed")
STUDY_SIZE = 64  # pixels
DIGITS = 16  # of a manifest digest in a file's name


@dataclass(frozen=True)
class Experiment:
    """A recipe, and its path without suffix, such as study/table2-googlenet."""

    stem: str
    recipe: Recipe


@dataclass(frozen=True)
class PaperRequest:
    """The experiments to run. renewal: a dataset of new places to test every model on."""

    dataset: str
    experiments: tuple[Experiment, ...]
    renewal: str | None = None
    overrides: tuple[str, ...] = ()  # the overrides that the experiments were read with
    on_damage: OnDamage = OnDamage.RAISE
    has_loading: bool = False  # measure loading times as well

    def __post_init__(self) -> None:
        if self.renewal == self.dataset:
            raise InvalidInput("The renewal dataset must differ from the training dataset.")


@dataclass(frozen=True)
class TrainingHistory:
    """Training by epoch, and the machine and code that ran it."""

    train_accuracy: tuple[float, ...]
    train_loss: tuple[float, ...]  # nats
    seconds: float
    device: str
    git_revision: str


@dataclass(frozen=True)
class RecipeResult:
    """The measurements of one run."""

    report: Report
    history: TrainingHistory
    answers: PhotoResults | None  # None for runs of older versions
    renewal: Report | None = None
    is_reused: bool = False


@dataclass(frozen=True)
class Result:
    """An experiment with its finding, or the reason why it is missing."""

    experiment: Experiment
    finding: RecipeResult | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Paper:
    """All results, in the order of the experiments."""

    request: PaperRequest
    contents: Contents
    results: tuple[Result, ...]
    loading: LoadingTimes | None = None

    def finding(self, stem: str) -> RecipeResult | None:
        """Return an experiment's finding; None if it failed or was not requested."""
        found = {result.experiment.stem: result.finding for result in self.results}
        return found.get(stem)


def is_wanted(name: str, only: Sequence[str]) -> bool:
    """Return whether a name matches one of the patterns, or there are none."""
    return not only or any(fnmatch(name, one) for one in only)


def read_experiments(
    folder: Path, overrides: Sequence[str], only: Sequence[str] = ()
) -> tuple[Experiment, ...]:
    """Read the recipes below a folder: all, or those that match a pattern such as study/table2-*.

    Raises InvalidInput when there are none, unless a pattern asks for the loading times.
    """
    files = [path for name in FOLDERS for path in sorted((folder / name).glob("*.toml"))]
    stems = {f"{path.parent.name}/{path.stem}": path for path in files}
    chosen = {stem: path for stem, path in stems.items() if is_wanted(stem, only)}
    if not chosen and not (only and is_wanted(LOADING, only)):
        raise InvalidInput(
            f"No recipe in {folder} matches {' or '.join(only) or 'study/*'}. Example: "
            "--only 'study/table2-*' --only fixed/all"
        )
    return tuple(Experiment(stem, read_recipe(path, overrides)) for stem, path in chosen.items())


def run_paper(request: PaperRequest, session: Session) -> Paper:
    """Run the experiments that have no finished run, and record why any failed."""
    cache = _load(request, session)  # writes the manifest
    contents = read_contents(request.dataset, session)
    times = _loading_times(cache, session) if request.has_loading else None
    results, total = [], len(request.experiments)
    with session.display.bar("Experiments") as bar:
        for number, experiment in enumerate(request.experiments):
            bar(number, total)
            session.display.note(f"{number + 1} of {total}: {experiment.stem}")
            results.append(_result(experiment, request, session))
        bar(total, total)
    return Paper(request, contents, tuple(results), times)


def _load(request: PaperRequest, session: Session) -> TensorCache:
    """Load the first recipe's cache. Raises DatasetNotFound, or InvalidInput without photos."""
    recipes = [experiment.recipe for experiment in request.experiments]
    image = recipes[0].image if recipes else ImageSpec(size=STUDY_SIZE)
    return load_cache(request.dataset, image, session, on_damage=request.on_damage)


def _loading_times(cache: TensorCache, session: Session) -> LoadingTimes:
    session.display.note("Measuring loading times")
    return measure_loading(cache, session.store)


def _result(experiment: Experiment, request: PaperRequest, session: Session) -> Result:
    try:
        return Result(experiment, _finding(experiment, request, session))
    except (ServiceUnavailable, StoreError):
        raise
    except EUGuessError as error:  # other experiments may still work
        session.display.note(f"Left out: {error}")
        return Result(experiment, missing=str(error))


def _finding(experiment: Experiment, request: PaperRequest, session: Session) -> RecipeResult:
    train = RunRequest(
        request.dataset,
        experiment.recipe,
        is_registered=request.renewal is not None,  # renewal needs the model
        on_damage=request.on_damage,
    )
    report, is_reused = measured(train, session)
    run_id = str(report.run_id)
    finding = RecipeResult(
        report, _history(run_id, session), _answers(run_id, session), is_reused=is_reused
    )
    if request.renewal is None:
        return finding
    return replace(
        finding, renewal=_renewed(run_id, replace(train, dataset=request.renewal), session)
    )


def _renewed(run_id: str, request: RunRequest, session: Session) -> Report:
    """Evaluate a run's model on the request's dataset of new places; store the report with it."""
    cache = load_cache(request.dataset, request.recipe.image, session, on_damage=request.on_damage)
    name = f"{RENEWAL}-{cache.header.manifest_digest[:DIGITS]}.json"
    known = stored_report(run_id, name, session)
    if known is not None:
        return known
    report = evaluate_stored(run_id, request.dataset, session, request.on_damage)
    report = report.model_copy(update={"protocol": RENEWAL})
    session.tracking.log_text(run_id, report.model_dump_json(indent=2), name)
    return report


def _history(run_id: str, session: Session) -> TrainingHistory:
    tracking = session.tracking
    tags = tracking.find(run_id).tags
    return TrainingHistory(
        train_accuracy=tracking.history(run_id, "train_accuracy"),
        train_loss=tracking.history(run_id, "train_loss"),
        seconds=sum(tracking.history(run_id, "seconds")),
        device=tags.get("environment.device", "unknown"),
        git_revision=tags.get("environment.git_revision", "unknown"),
    )


def _answers(run_id: str, session: Session) -> PhotoResults | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = session.tracking.fetch(run_id, ANSWERS_FILE, Path(folder))
            return PhotoResults.model_validate_json(path.read_text())
        except (InvalidInput, ValidationError):
            return None
