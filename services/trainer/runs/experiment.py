"""Run one experiment: cache a dataset, train, evaluate, export and register the model."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import nn

from euguess.clock import utc_now
from euguess.process.files import room_errors
from euguess.promotion.gate import PromotionRequest
from euguess.promotion.verdict import Verdict
from euguess.promotion.versions import SEEN_FILE, RegisteredVersion
from euguess.training.report import Report
from euguess.training.runs import FIGURES_TAG, PROMOTE_TAG, RECIPE_FILE, REPORT_FILE
from services.trainer.cache.decoding import OnDamage
from services.trainer.cards.write import write_cards
from services.trainer.errors import Stopped
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.loading.split_data import SplitData, read_split_data, seen_views
from services.trainer.models.comparison import promote
from services.trainer.models.export import export_package
from services.trainer.models.paired import photo_results
from services.trainer.recipes.recipe import Recipe
from services.trainer.runs.checkpoint import Checkpoint
from services.trainer.runs.provenance import environment
from services.trainer.session import Session, load_cache
from services.trainer.tracking.ownership import Owner, new_owner
from services.trainer.tracking.runs import ANSWERS_FILE
from services.trainer.training.driver import Training, new_training
from services.trainer.training.loop import TrainingState

CHECKPOINTS = "checkpoints"
NO_ROOM = (
    "No space is left to export the model to {folder} or to store it in MLflow; no version was "
    "registered. Free some space, then resume with the same command and --resume."
)


@dataclass(frozen=True)
class RunRequest:
    """A run to start or resume. Without is_registered, it is tracked but registers no model."""

    dataset: str
    recipe: Recipe
    is_resumed: bool = False
    resumes: str | None = None  # id of an unfinished run
    clears_stop_request: bool = False  # ignores an earlier stop request
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
    split_data = read_split_data(cache, recipe, session.device)
    checkpoint = _checkpoint(session.home, recipe, split_data)
    with checkpoint.locked():
        outcome = _run(request, session, split_data, checkpoint)
        checkpoint.path.unlink(missing_ok=True)
    return outcome


def _run(
    request: RunRequest, session: Session, split_data: SplitData, checkpoint: Checkpoint
) -> Outcome:
    recipe = request.recipe
    training = new_training(recipe, split_data, session.device)
    run_id = checkpoint.saved_run() if request.is_resumed else None
    name = f"{recipe.name} {request.dataset} {recipe.split.protocol.value}"
    tags, params = _tags(split_data, recipe, session), flat(recipe.model_dump(mode="json"))
    if request.is_promoted:
        tags[PROMOTE_TAG] = "yes"
    owner = new_owner(checkpoint.lock)
    with session.tracking.run(name, tags, params, owner, run_id) as run:
        if request.clears_stop_request:
            session.tracking.clear_stop_request(run)
        session.tracking.log_text(run, recipe.to_toml(), RECIPE_FILE)
        session.tracking.log_text(run, seen_views(split_data).model_dump_json(), SEEN_FILE)
        start = checkpoint.load(training.learner) if run_id else TrainingState()
        network = _trained(training, _Run(run, owner, start, checkpoint), session)
        session.display.note("Evaluating on the test set")
        trained_at = utc_now()
        report = evaluate(network, split_data, recipe)
        report = report.model_copy(update={"run_id": run, "trained_at": trained_at})
        session.tracking.log_metrics(run, _values(report))
        answers = photo_results(network, split_data)
        session.tracking.log_text(run, answers.model_dump_json(), ANSWERS_FILE)
        session.tracking.require_owner(run, owner)
        return _store(request, session, Outcome(run, report), network, trained_at)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables into one with dotted keys."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        is_table = isinstance(value, Mapping)
        values |= flat(value, f"{prefix}{key}.") if is_table else {prefix + key: value}
    return values


@dataclass(frozen=True)
class _Run:
    run_id: str
    owner: Owner
    start: TrainingState
    checkpoint: Checkpoint


def _trained(training: Training, run: _Run, session: Session) -> nn.Module:
    """Train and return the network with the weights of its best epoch."""
    display, recipe = session.display, training.recipe

    def after_epoch(state: TrainingState) -> None:
        run.checkpoint.save(training.learner, state, run.run_id)
        session.tracking.require_owner(run.run_id, run.owner)
        newest = state.history[-1]
        session.tracking.log_epoch(run.run_id, newest)
        display.epoch(newest, recipe.epochs, is_best=newest == state.best)
        _stop_where_asked(run.run_id, state.epochs_done, recipe.epochs, session)

    with display.bar(f"Training {recipe.network}") as bar:
        return training.run(start=run.start, after_epoch=after_epoch, bar=bar).network


def _stop_where_asked(run_id: str, done: int, epochs: int, session: Session) -> None:
    """Raise Stopped if requested, except after the last epoch."""
    if done < epochs and session.tracking.is_stop_requested(run_id):
        raise Stopped(done, epochs)


def _store(
    request: RunRequest,
    session: Session,
    outcome: Outcome,
    network: nn.Module,
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
        log_package(request.recipe, session, outcome, network, trained_at)
        candidate = session.registry.register(run_id, report)
    verdict = (
        promote(PromotionRequest(candidate), request.dataset, session, request.on_damage)
        if request.is_promoted
        else None
    )
    return replace(outcome, candidate=candidate, verdict=verdict)


def log_package(
    recipe: Recipe, session: Session, outcome: Outcome, network: nn.Module, trained_at: datetime
) -> None:
    """Export the model and store its package and cards with the run. Raises DiskFull."""
    session.display.note("Exporting to safetensors and ONNX")
    no_room = NO_ROOM.format(folder=tempfile.gettempdir())
    with room_errors(no_room), tempfile.TemporaryDirectory() as folder:
        export_package(Path(folder), network, recipe, outcome.report, trained_at)
        session.tracking.log_model(outcome.run_id, Path(folder))
    write_cards(outcome.run_id, recipe, outcome.report, session)


def _checkpoint(home: Path, recipe: Recipe, split_data: SplitData) -> Checkpoint:
    facts = f"{FIGURES_VERSION} {recipe.model_dump_json()} {split_data.manifest_digest}"
    fingerprint = hashlib.sha256(facts.encode()).hexdigest()
    return Checkpoint(home / CHECKPOINTS / f"{fingerprint[:16]}.safetensors", fingerprint)


def _tags(split_data: SplitData, recipe: Recipe, session: Session) -> dict[str, str]:
    return {
        "dataset": split_data.dataset,
        "manifest_digest": split_data.manifest_digest,
        "protocol": recipe.split.protocol.value,
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
