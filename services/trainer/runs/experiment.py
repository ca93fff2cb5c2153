"""Run one experiment: cache a dataset, train, evaluate, export and register the model."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from euguess.clock import utc_now
from euguess.process.files import room_errors
from euguess.promotion.gate import PromotionRequest
from euguess.promotion.verdict import Verdict
from euguess.promotion.versions import SEEN_FILE, RegisteredVersion
from euguess.training.recipes.head_recipe import HeadRecipe
from euguess.training.recipes.read import AnyRecipe
from euguess.training.report import Report
from euguess.training.runs import FIGURES_TAG, PLACES_TAG, PROMOTE_TAG, RECIPE_FILE, REPORT_FILE
from services.trainer.cache.decoding import OnDamage
from services.trainer.cache.format import TensorCache
from services.trainer.cards.write import write_cards
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.loading.split_data import LabelledSplit, read_split_data, seen_views
from services.trainer.models.comparison import promote
from services.trainer.models.export import export_package
from services.trainer.runs.checkpoint import Checkpoint
from services.trainer.runs.head_run import prepare_head
from services.trainer.runs.provenance import environment
from services.trainer.runs.tested import RunInProgress, Tested
from services.trainer.runs.training_run import TrainingRun
from services.trainer.session import Session, load_cache
from services.trainer.tracking.ownership import Owner, new_owner
from services.trainer.tracking.runs import ANSWERS_FILE
from services.trainer.training.driver import new_training

CHECKPOINTS = "checkpoints"
NO_ROOM = (
    "No space is left to export the model to {folder} or to store it in MLflow; no version was "
    "registered. Free some space, then resume with the same command and --resume."
)


@dataclass(frozen=True)
class RunRequest:
    """A run to start or resume. Without is_registered, it is tracked but registers no model."""

    dataset: str
    recipe: AnyRecipe
    is_resumed: bool = False
    resumes: str | None = None  # id of an unfinished run
    ignores_stop_request: bool = False  # one that the run got before it is resumed
    is_registered: bool = True
    is_promoted: bool = False
    on_damage: OnDamage = OnDamage.RAISE


@dataclass(frozen=True)
class Outcome:
    """The results of an experiment."""

    run_id: str
    report: Report
    candidate: RegisteredVersion | None = None
    verdict: Verdict | None = None


def run_experiment(request: RunRequest, session: Session) -> Outcome:
    """Run an experiment from dataset to verdict; is_resumed resumes an interrupted run.

    Raises InvalidInput if the run to resume has finished, and RunBusy while another process trains
    the same recipe on the same state of the dataset.
    """
    if request.resumes is not None:
        session.tracking.require_unfinished(request.resumes)
    recipe = request.recipe
    cache = load_cache(request.dataset, recipe.image, session, on_damage=request.on_damage)
    checkpoint = _checkpoint(session.home, recipe, cache.header.manifest_digest)
    with checkpoint.locked():
        work = _work(recipe, cache, checkpoint, session)
        outcome = _run(request, session, work, new_owner(checkpoint.lock))
        work.forget()
    return outcome


class Work(Protocol):
    """The part of a run that depends on the kind of its recipe."""

    @property
    def views(self) -> LabelledSplit: ...

    def saved_run(self) -> str | None: ...

    def test(self, run: RunInProgress, *, is_resumed: bool) -> Tested: ...

    def forget(self) -> None: ...


def _work(recipe: AnyRecipe, cache: TensorCache, checkpoint: Checkpoint, session: Session) -> Work:
    if isinstance(recipe, HeadRecipe):
        return prepare_head(recipe, cache, checkpoint.path.with_suffix(".run"), session)
    split_data = read_split_data(cache, recipe, session.device)
    training = new_training(recipe, split_data, session.device)
    return TrainingRun(training, split_data, checkpoint)


def _run(request: RunRequest, session: Session, work: Work, owner: Owner) -> Outcome:
    recipe, tracking = request.recipe, session.tracking
    run_id = work.saved_run() if request.is_resumed else None
    name = f"{recipe.name} {request.dataset} {recipe.split.protocol.value}"
    tags, params = _tags(work.views, recipe, session), _params(recipe)
    if request.is_promoted:
        tags[PROMOTE_TAG] = "yes"
    ignored = request.ignores_stop_request
    with tracking.run(name, tags, params, owner, run_id, ignores_stop_request=ignored) as run:
        tracking.log_text(run, recipe.to_toml(), RECIPE_FILE)
        tracking.log_text(run, seen_views(work.views).model_dump_json(), SEEN_FILE)
        tested = work.test(RunInProgress(run, owner, session), is_resumed=run_id is not None)
        trained_at = utc_now()
        report = tested.report.model_copy(update={"run_id": run, "trained_at": trained_at})
        tracking.log_metrics(run, _values(report))
        tracking.log_text(run, tested.answers.model_dump_json(), ANSWERS_FILE)
        tracking.require_owner(run, owner)
        return _store(request, session, Outcome(run, report), tested, trained_at)


def _params(recipe: AnyRecipe) -> dict[str, Any]:
    """Return the recipe's keys as they are listed with the run."""
    return {**flat(recipe.model_dump(mode="json")), "network": recipe.network}


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables, and lists of tables, into one table with dotted keys."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            value = {str(number): one for number, one in enumerate(value)}
        is_table = isinstance(value, Mapping)
        values |= flat(value, f"{prefix}{key}.") if is_table else {prefix + key: value}
    return values


def _store(
    request: RunRequest,
    session: Session,
    outcome: Outcome,
    tested: Tested,
    trained_at: datetime,
) -> Outcome:
    """Store the report; register and promote the model if requested."""
    run_id, report = outcome.run_id, outcome.report
    session.tracking.log_text(run_id, report.model_dump_json(indent=2), REPORT_FILE)
    if not request.is_registered:
        return outcome
    # A run that was interrupted after its registration keeps the files of its version.
    candidate = session.registry.version_of(run_id)
    if candidate is None:
        log_package(request.recipe, session, outcome, tested, trained_at)
        candidate = session.registry.register(run_id, report)
    verdict = (
        promote(PromotionRequest(candidate), request.dataset, session, request.on_damage)
        if request.is_promoted
        else None
    )
    return replace(outcome, candidate=candidate, verdict=verdict)


def log_package(
    recipe: AnyRecipe, session: Session, outcome: Outcome, tested: Tested, trained_at: datetime
) -> None:
    """Export the model and store its package and cards with the run. Raises DiskFull."""
    session.display.note("Exporting to safetensors and ONNX")
    no_room = NO_ROOM.format(folder=tempfile.gettempdir())
    with room_errors(no_room), tempfile.TemporaryDirectory() as folder:
        familiarity = tested.fit_familiarity()
        export_package(
            Path(folder), tested.network, recipe, outcome.report, trained_at, familiarity
        )
        session.tracking.log_model(outcome.run_id, Path(folder))
    write_cards(outcome.run_id, recipe, outcome.report, session)


def _checkpoint(home: Path, recipe: AnyRecipe, manifest_digest: str) -> Checkpoint:
    facts = f"{FIGURES_VERSION} {recipe.model_dump_json()} {manifest_digest}"
    fingerprint = hashlib.sha256(facts.encode()).hexdigest()
    return Checkpoint(home / CHECKPOINTS / f"{fingerprint[:16]}.safetensors", fingerprint)


def _tags(views: LabelledSplit, recipe: AnyRecipe, session: Session) -> dict[str, str]:
    return {
        "dataset": views.dataset,
        "manifest_digest": views.manifest_digest,
        "protocol": recipe.split.protocol.value,
        PLACES_TAG: views.index.places.value,
        "recipe_digest": recipe.digest,
        FIGURES_TAG: str(FIGURES_VERSION),
        **{f"environment.{k}": v for k, v in environment(session.device).items()},
    }


def _values(report: Report) -> dict[str, float]:
    values = {f"test_{name}": interval.value for name, interval in report.card_metrics.items()}
    if report.certainty:
        first, last = report.certainty[0], report.certainty[-1]
        values |= {"test_ece": first.ece, "test_fused_ece": last.ece}
    return values
