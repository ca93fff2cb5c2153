"""A head on frozen features goes the way of every model: run, registry, gate, evaluation."""

from dataclasses import replace
from pathlib import Path

import pytest

from euguess.errors import InvalidInput
from euguess.images.postprocessing import FAMILIAR_SHARE
from euguess.images.preprocessing import decode_photo
from euguess.messages.records import MAX_VIEWS
from euguess.messages.serving import ModelCard
from euguess.promotion.audit import StoredAuditLog
from euguess.promotion.versions import MODEL_ARTIFACTS
from euguess.training.recipes.read import parse_any_recipe
from euguess.training.runs import STOP_TAG
from services.head_network import HeadNetwork
from services.inference.classifier import load_classifier
from services.trainer.cache.decoding import OnDamage
from services.trainer.cards.stored_cards import read_card
from services.trainer.errors import Stopped
from services.trainer.models.shortcuts import find_shortcuts
from services.trainer.models.stored_model import evaluate_stored, load_model
from services.trainer.runs.experiment import Outcome, RunRequest, run_experiment
from services.trainer.runs.reuse import measured
from services.trainer.tracking.runs import Tracking
from tests.support.country_photos import country_photo
from tests.support.trainer_home import QUOTAS, TrainerHome, tiny_request

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)
RECIPE = """
name = "tiny-head"
[[backbones]]
network = "smallnet"
image_size = 32
layers = ["features.3"]
[[backbones]]
network = "customnet"
image_size = 48
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
[head]
folds = 3
"""


def head_request(*overrides: str, promoted: bool = False) -> RunRequest:
    recipe = parse_any_recipe(RECIPE, overrides)
    return replace(tiny_request(promoted=promoted), recipe=recipe)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    home = TrainerHome(tmp_path_factory.mktemp("heads"))
    home.fill()
    return home


@pytest.fixture(scope="module")
def champion(trainer: TrainerHome) -> Outcome:
    return run_experiment(head_request(promoted=True), trainer.session())


def test_a_head_is_registered_and_becomes_the_first_champion(
    trainer: TrainerHome, champion: Outcome
) -> None:
    assert champion.verdict is not None
    assert champion.verdict.is_promoted
    assert trainer.session().registry.champion() == champion.candidate
    assert champion.report.is_honest
    assert champion.report.metrics["top1_accuracy"].value > 0.8
    assert champion.report.calibration


def test_a_stored_head_is_evaluated_as_it_was_reported(
    trainer: TrainerHome, champion: Outcome
) -> None:
    stored = evaluate_stored("champion", "tiny", trainer.session(), OnDamage.RAISE)
    assert stored.metrics == champion.report.metrics
    assert stored.fused == champion.report.fused
    model = load_model(champion.run_id, trainer.session())
    tested = champion.report.parts["test"].locations
    assert isinstance(model.network, HeadNetwork)
    assert model.recipe == head_request().recipe
    assert len(model.seen.location_ids) == sum(QUOTAS.values()) - tested


def test_a_served_head_says_how_familiar_photos_look(
    trainer: TrainerHome, champion: Outcome, tmp_path: Path
) -> None:
    package = trainer.session().tracking.fetch(champion.run_id, MODEL_ARTIFACTS, tmp_path)
    card = ModelCard.model_validate_json((package / "model.json").read_text())
    assert card.familiarity is not None
    parts = champion.report.parts
    learnt = parts["train"].images + parts["val"].images
    assert len(card.familiarity.distances) == learnt
    places = [(code, name) for code in QUOTAS for name in "abc"]
    photos = [country_photo(code, name, 0) for code, name in places]
    answer = load_classifier(package, decode_photo).predict(photos[:MAX_VIEWS])
    assert answer["familiarity"] > FAMILIAR_SHARE
    assert not answer["unfamiliar"]


def test_the_cards_of_a_head_name_backbones_and_method(
    trainer: TrainerHome, champion: Outcome
) -> None:
    session = trainer.session()
    card = read_card(None, session.tracking, session.registry, StoredAuditLog(trainer.store)).text
    assert "smallnet@32+features.3 and customnet@48, photos of 48 pixels" in card
    assert "a logistic head on frozen features" in card
    assert "Energy, an estimate" in card


def test_the_run_lists_its_keys_and_what_was_chosen(
    trainer: TrainerHome, champion: Outcome
) -> None:
    run = trainer.session().tracking.client.get_run(champion.run_id).data
    assert run.params["network"] == "smallnet@32+features.3 and customnet@48"
    assert run.params["backbones.1.image_size"] == "48"
    assert run.params["head.folds"] == "3"
    assert {"seconds", "regularisation", "held_out_accuracy"} <= set(run.metrics)


def test_a_network_and_a_head_are_compared_by_the_gate(
    trainer: TrainerHome, champion: Outcome
) -> None:
    challenger = run_experiment(tiny_request("epochs=1", promoted=True), trainer.session())
    assert challenger.verdict is not None
    assert "places that are new to both" in challenger.verdict.reason


def test_a_finished_head_is_reused(trainer: TrainerHome, champion: Outcome) -> None:
    report, is_reused = measured(head_request(), trainer.session())
    assert is_reused
    assert report.run_id == champion.run_id


def test_a_head_is_tested_for_shortcuts(trainer: TrainerHome, champion: Outcome) -> None:
    found = find_shortcuts(champion.run_id, trainer.session(), OnDamage.RAISE)
    assert found.accuracy == champion.report.metrics["top1_accuracy"]


class StoppedTracking(Tracking):
    """Tracking of runs that are asked to stop from the start."""

    def is_stop_requested(self, run_id: str) -> bool:
        self.client.set_tag(run_id, STOP_TAG, "now")
        return super().is_stop_requested(run_id)


def test_a_stopped_head_continues_as_the_same_run(trainer: TrainerHome) -> None:
    session = trainer.session()
    request = replace(head_request("seed=7"), is_registered=False)
    tracking = StoppedTracking(session.tracking.client, is_server=False)
    with pytest.raises(Stopped, match="Stopped after computing the features of smallnet@32"):
        run_experiment(request, replace(session, tracking=tracking))
    (stopped,) = [run for run in session.tracking.runs() if run.status == "KILLED"]
    finished = run_experiment(replace(request, is_resumed=True), session)
    assert finished.run_id == stopped.run_id
    assert session.tracking.find(stopped.run_id).status == "FINISHED"
    assert not list((trainer.folder / "checkpoints").glob("*.run"))


def test_a_head_without_its_weights_leaves_no_run(trainer: TrainerHome, champion: Outcome) -> None:
    before = len(trainer.session().tracking.runs())
    with pytest.raises(InvalidInput, match=r"nowhere\.pth"):
        run_experiment(head_request("backbones.0.weights=nowhere.pth"), trainer.session())
    assert len(trainer.session().tracking.runs()) == before
