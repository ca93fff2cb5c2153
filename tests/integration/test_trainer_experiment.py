"""Experiments on a folder store and a real MLflow, from photos to a champion."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from rich.console import Console

from euguess.clients import RegistryClient
from euguess.errors import InvalidInput
from euguess.images.postprocessing import calibration_for, country_sets, is_answered, tempered
from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ImageSpec, ModelCard
from euguess.process.ports import free_ports
from euguess.promotion.audit import Decision, StoredAuditLog
from euguess.promotion.rollback import roll_back
from euguess.settings import MlflowSettings
from euguess.stack.processes import ServerSpec, started
from euguess.stack.servers import http_ready
from euguess.training.recipes.recipe import parse_recipe
from euguess.training.runs import FIGURES_TAG
from services.inference.classifier import Classifier, load_classifier
from services.inference.model_package import Outputs
from services.inference.model_registry import MlflowRegistry
from services.networks import build_network
from services.trainer.cache.decoding import OnDamage
from services.trainer.cards.stored_cards import read_card
from services.trainer.errors import Stopped
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.models.export import export_onnx
from services.trainer.models.shortcuts import REGIONS, find_shortcuts
from services.trainer.models.stored_model import UNSEEN_PROTOCOL, evaluate_stored, load_model
from services.trainer.progress import EpochResult, ProgressDisplay
from services.trainer.reports.tables import percent
from services.trainer.runs.experiment import Outcome, run_experiment
from services.trainer.runs.protocols import (
    PROTOCOLS,
    RENEWAL,
    ProtocolComparison,
    compare_protocols,
)
from tests.support.country_photos import country_photo
from tests.support.trainer_home import QUOTAS, TrainerHome, tiny_request

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
    # MLflow keeps its HTTP connections open until they are collected
    "ignore:unclosed <socket:ResourceWarning",
)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    home = TrainerHome(tmp_path_factory.mktemp("trainer"))
    home.fill()
    return home


@pytest.fixture(scope="module")
def champion(trainer: TrainerHome) -> Outcome:
    """The outcome of a run that was promoted."""
    return run_experiment(tiny_request(promoted=True), trainer.session())


def test_a_trained_honest_model_becomes_the_first_champion(
    trainer: TrainerHome, champion: Outcome
) -> None:
    assert champion.report.is_honest
    assert champion.report.metrics["top1_accuracy"].value > 0.8
    assert champion.verdict is not None
    assert champion.verdict.is_promoted
    assert trainer.session().registry.champion() == champion.candidate


def test_every_version_has_its_cards_before_it_can_be_promoted(
    trainer: TrainerHome, champion: Outcome
) -> None:
    registered = run_experiment(tiny_request("epochs=1"), trainer.session())
    assert registered.candidate is not None
    version, report = registered.candidate.version, registered.report
    model, dataset = (card_of(trainer, version, is_data=is_data) for is_data in (False, True))
    assert percent(report.metrics["top1_accuracy"]) in model
    assert "1 of 1 epochs" in model
    assert "Energy, an estimate" in model
    assert "Never promoted" in model
    assert report.manifest_digest in model
    assert report.manifest_digest in dataset
    assert "54 photos of 18 places in 3 countries" in dataset


def test_the_card_of_a_promoted_version_says_why_it_was_promoted(
    trainer: TrainerHome, champion: Outcome
) -> None:
    assert "promoted: version 1" in card_of(trainer)
    assert "is the first champion" in card_of(trainer)
    with pytest.raises(InvalidInput, match="no version 999"):
        card_of(trainer, "999")


def test_settings_for_the_cards_are_checked_before_training(
    trainer: TrainerHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EUGUESS_CPU_WATTS", "plenty")
    with pytest.raises(InvalidInput, match="EUGUESS_CPU_WATTS"):
        trainer.session()


def card_of(trainer: TrainerHome, version: str | None = None, *, is_data: bool = False) -> str:
    session, log = trainer.session(), StoredAuditLog(trainer.store)
    found = read_card(version, session.tracking, session.registry, log, is_data=is_data)
    return found.text


def test_a_leaky_model_is_registered_but_not_promoted(
    trainer: TrainerHome, champion: Outcome
) -> None:
    leaky = run_experiment(
        tiny_request("epochs=1", protocol="image", promoted=True), trainer.session()
    )
    assert leaky.report.leaks["location"] > 0
    assert leaky.verdict is not None
    assert not leaky.verdict.is_promoted
    assert trainer.session().registry.champion() == champion.candidate
    with pytest.raises(InvalidInput, match="split by image"):
        find_shortcuts(leaky.run_id, trainer.session(), OnDamage.RAISE)


def test_a_model_with_faults_serves_only_countries_and_is_not_promoted(
    trainer: TrainerHome, champion: Outcome
) -> None:
    faults = ("faults.keeps_imagenet_head=true", "faults.no_validation=true")
    faulty = run_experiment(tiny_request("epochs=1", *faults, promoted=True), trainer.session())
    assert faulty.verdict is not None
    assert not faulty.verdict.is_promoted
    assert "keeps_imagenet_head, no_validation" in faulty.verdict.reason
    stored = load_model(faulty.run_id, trainer.session())
    assert stored.network(torch.zeros(2, 3, 32, 32)).shape == (2, len(QUOTAS))
    again = evaluate_stored(faulty.run_id, "tiny", trainer.session(), OnDamage.RAISE)
    assert again.metrics == faulty.report.metrics


def test_a_run_records_recipe_provenance_and_every_epoch(
    trainer: TrainerHome, champion: Outcome
) -> None:
    run = MlflowClient(trainer.mlflow.url).get_run(champion.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["network"] == "customnet"
    assert run.data.params["optimizer.learning_rate"] == "0.001"
    assert run.data.tags["manifest_digest"] == champion.report.manifest_digest
    assert run.data.tags["environment.git_revision"]
    assert run.data.tags[FIGURES_TAG] == str(FIGURES_VERSION)
    history = MlflowClient(trainer.mlflow.url).get_metric_history(champion.run_id, "val_accuracy")
    assert [metric.step for metric in history] == [1, 2, 3]


@pytest.fixture
def served_package(trainer: TrainerHome, champion: Outcome, tmp_path: Path) -> Path:
    """The champion's package, as the inference service downloads it."""
    registry = MlflowRegistry(trainer.mlflow.url)
    found = registry.champion()
    assert found is not None
    return registry.download(found, tmp_path)


def test_the_served_package_predicts_the_country_of_a_new_place(served_package: Path) -> None:
    for device in (None, "cpu"):
        classifier = load_classifier(served_package, decode_photo, device)
        views = [country_photo("IT", "a new place", heading) for heading in (0, 120)]
        assert classifier.predict(views)["country_code"] == "IT"


def test_served_predictions_use_the_measured_calibration(
    champion: Outcome, served_package: Path
) -> None:
    card = ModelCard.model_validate_json((served_package / "model.json").read_text())
    assert card.calibration == champion.report.calibration
    logits = np.random.default_rng(0).normal(size=(3, len(card.countries))).astype(np.float32)
    codes = np.array([country.country_code for country in card.countries])
    served = card.model_dump(mode="json")
    classifier = Classifier(served, decode_photo, lambda images: Outputs(logits[: len(images)]))
    for views in (1, 2, 3):
        answer = classifier.predict([country_photo("IT", "a place", 0)] * views)
        used = calibration_for(card.calibration, views)
        fused = tempered(logits[:views].mean(axis=0, keepdims=True), used.temperature)
        members = codes[country_sets(np.exp(fused), used.set_threshold)[0]]
        confidence = np.exp(fused.max(axis=1))
        assert answer["probability"] == pytest.approx(confidence[0], abs=1e-5)
        assert sorted(answer["country_set"]) == sorted(members.tolist())
        assert answer["abstain"] is not bool(is_answered(confidence, used.abstain_threshold)[0])


def test_a_stored_model_is_evaluated_on_its_own_test_part(
    trainer: TrainerHome, champion: Outcome
) -> None:
    again = evaluate_stored("champion", "tiny", trainer.session(), OnDamage.RAISE)
    assert again.metrics == champion.report.metrics
    assert again.confusion == champion.report.confusion
    assert again.run_id == champion.run_id


def test_shortcuts_are_measured_on_the_test_part_of_a_stored_model(
    trainer: TrainerHome, champion: Outcome
) -> None:
    found = find_shortcuts("champion", trainer.session(), OnDamage.RAISE)
    assert found.run_id == champion.run_id
    assert found.accuracy.value == champion.report.metrics["top1_accuracy"].value
    assert [one.region for one in found.regions] == [region.name for region in REGIONS]


def test_a_stored_model_is_tested_on_the_new_places_of_a_grown_dataset(
    tmp_path: Path,
) -> None:
    home = TrainerHome(tmp_path)
    home.fill()
    outcome = run_experiment(tiny_request("epochs=1"), home.session())
    home.fill(quotas={code: quota + 2 for code, quota in QUOTAS.items()})
    report = evaluate_stored(outcome.run_id, "tiny", home.session(), OnDamage.RAISE)
    assert report.protocol == UNSEEN_PROTOCOL
    assert report.is_honest
    tested_before = outcome.report.parts["test"].locations
    assert report.parts["test"].locations == tested_before + 2 * len(QUOTAS)


class ImpatientDisplay(ProgressDisplay):
    """Presses Ctrl-C after the second epoch."""

    def epoch(self, result: EpochResult, epochs: int, *, is_best: bool) -> None:
        if result.epoch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_run_resumes_to_the_same_result(
    trainer: TrainerHome, champion: Outcome
) -> None:
    request = tiny_request()
    session = trainer.session()
    impatient = replace(session, display=ImpatientDisplay(Console(quiet=True)))
    with pytest.raises(KeyboardInterrupt):
        run_experiment(request, impatient)
    killed = session.tracking.runs()[0]
    assert killed.status == "KILLED"
    outcome = run_experiment(replace(request, is_resumed=True), session)
    assert outcome.run_id == killed.run_id
    assert session.tracking.find(outcome.run_id).status == "FINISHED"
    assert outcome.report.metrics == champion.report.metrics
    assert outcome.report.confusion == champion.report.confusion
    assert {path.suffix for path in (trainer.folder / "checkpoints").iterdir()} == {".lock"}


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    """162 places, 42 of them for testing, and a champion that has learnt almost nothing."""
    home = TrainerHome(tmp_path_factory.mktemp("rivals"))
    home.fill(quotas=dict.fromkeys(QUOTAS, 54))
    weak = tiny_request("epochs=1", "optimizer.learning_rate=1e-7", promoted=True)
    outcome = run_experiment(weak, home.session())
    assert outcome.verdict is not None
    assert outcome.verdict.is_promoted
    return home


def test_a_challenger_needs_a_clear_lead_on_common_places_to_be_promoted(
    rivals: TrainerHome,
) -> None:
    session, log = rivals.session(), StoredAuditLog(rivals.store)
    learnt_their_tests = run_experiment(tiny_request("split.seed=1", promoted=True), session)
    better = run_experiment(tiny_request(promoted=True), session)
    no_better = run_experiment(tiny_request("batch_size=24", promoted=True), session)
    verdicts = [run.verdict for run in (learnt_their_tests, better, no_better)]
    assert [verdict and verdict.is_promoted for verdict in verdicts] == [False, True, False]
    assert verdicts[0] is not None
    assert "30 are needed" in verdicts[0].reason
    assert session.registry.champion() == better.candidate

    won = log.entries()[-2]
    assert won.contest is not None
    assert won.contest.places == better.report.parts["test"].locations == 42
    assert won.contest.challenger == better.report.fused[-1].metrics["top1_accuracy"]
    assert won.contest.difference.low > 0

    back = roll_back(session.registry, log, "it was slow")
    assert back.version == "1"
    champion = session.registry.champion()
    assert champion is not None
    assert champion.version == "1"
    acts = [(entry.act, entry.version) for entry in log.entries()]
    assert acts == [
        (Decision.PROMOTED, "1"),
        (Decision.REFUSED, "2"),
        (Decision.PROMOTED, "3"),
        (Decision.REFUSED, "4"),
        (Decision.ROLLED_BACK, "1"),
    ]
    with pytest.raises(InvalidInput, match="no champion before version 1"):
        roll_back(session.registry, log, "again")


def test_each_protocol_is_measured_once_and_renewal_on_another_dataset(
    trainer: TrainerHome,
) -> None:
    trainer.fill("renewed", quotas={"FR": 8, "IT": 8, "PL": 8})  # tiny has 6 places of each
    comparison = ProtocolComparison(tiny_request("epochs=1"), renewal="renewed")
    first = {line.protocol: line for line in compare_protocols(comparison, trainer.session())}
    again = {line.protocol: line for line in compare_protocols(comparison, trainer.session())}

    assert list(first) == list(PROTOCOLS)
    honest = [first[name].report for name in ("location", "renewal")]
    assert all(report is not None and report.is_honest for report in honest)
    leaky = first["image"].report
    assert leaky is not None
    assert leaky.leaks["location"] > 0
    assert {pair.kind for pair in leaky.leaking_pairs} == {"location"}
    renewed = first["renewal"].report
    assert renewed is not None
    assert renewed.dataset == "renewed"
    assert renewed.protocol == RENEWAL
    # All places lie in a strip of 6 km: none is far from the others or in another block.
    for name in ("location+buffer", "spatial"):
        assert first[name].report is None
        assert "too few places" in str(first[name].missing)

    assert again["location"].is_reused
    for name in ("image", "location", "renewal"):
        before, after = first[name].report, again[name].report
        assert before is not None
        assert after is not None
        assert after.run_id == before.run_id
        assert after.metrics == before.metrics


def test_a_dataset_of_one_country_is_refused(tmp_path: Path) -> None:
    home = TrainerHome(tmp_path)
    home.fill(quotas={"FR": 3})
    with pytest.raises(InvalidInput, match="at least 2 countries"):
        run_experiment(tiny_request(), home.session())


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowSettings]:
    """A tracking server that also serves artifacts, as in the local stack."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    argv = (
        *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    )
    spec = ServerSpec(
        name="mlflow",
        argv=argv,
        ready=http_ready(f"{url}/health"),
        env={"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        ready_seconds=120,
    )
    with started(spec, folder / "mlflow.log"):
        yield MlflowSettings(mlflow_url=url)


def test_a_tracking_server_serves_the_champion_to_its_clients(
    trainer: TrainerHome, mlflow_server: MlflowSettings
) -> None:
    request = tiny_request("epochs=2", promoted=True)
    outcome = run_experiment(request, trainer.session(mlflow_server))
    with RegistryClient(mlflow_server.url) as client:
        card, champion = client.champion(), client.champion_version()
        assert card is not None
        assert champion is not None
        report = client.report(champion.run_id)
        assert (card.version, card.network) == ("1", "customnet")
        assert report["run_id"] == outcome.run_id
        assert report["metrics"]["top1_accuracy"]["value"] == card.metrics["top1_accuracy"].value
        assert champion == outcome.candidate
        assert client.versions() == [client.version(champion.version)] == [champion]
        client.set_champion(champion.version)
        with pytest.raises(InvalidInput, match="no version 99"):
            client.version("99")
    again = evaluate_stored("champion", "tiny", trainer.session(mlflow_server), OnDamage.RAISE)
    assert again.metrics == outcome.report.metrics


def test_a_timm_network_is_the_same_in_onnx(tmp_path: Path) -> None:
    network = build_network("timm/tf_efficientnet_lite0", 3).eval()
    export_onnx(network, ImageSpec(size=64), tmp_path / "model.onnx")  # checks parity itself
    assert (tmp_path / "model.onnx").stat().st_size > 10_000_000


def test_googlenet_with_its_own_normalisation_is_the_same_in_onnx(tmp_path: Path) -> None:
    network = build_network("googlenet", 3).eval()
    export_onnx(network, ImageSpec(size=64), tmp_path / "model.onnx")  # checks parity itself
    assert (tmp_path / "model.onnx").stat().st_size > 20_000_000


def test_a_run_on_a_server_is_stopped_and_resumed_by_its_clients(
    trainer: TrainerHome, mlflow_server: MlflowSettings
) -> None:
    session, request = trainer.session(mlflow_server), tiny_request("epochs=4", promoted=True)
    with RegistryClient(mlflow_server.url) as client:
        telling = TellingDisplay(Console(quiet=True), client)
        with pytest.raises(Stopped, match="Stopped after epoch 1 of 4"):
            run_experiment(request, replace(session, display=telling))
        stopped = client.training_runs()[0]
        assert (stopped.status, stopped.is_stopping) == ("KILLED", False)
        assert stopped.promotes
        recipe = client.recipe(stopped.run_id)
        assert parse_recipe(recipe) == request.recipe
        client.ask_stop(stopped.run_id)
        client.clear_stop_request(stopped.run_id)
        client.clear_stop_request(stopped.run_id)  # already cleared
        outcome = run_experiment(replace(request, is_resumed=True), session)
        assert outcome.run_id == stopped.run_id
        assert list(client.history(outcome.run_id, "val_loss")) == [1, 2, 3, 4]


class TellingDisplay(ProgressDisplay):
    """Requests a stop of the newest run in its first epoch."""

    def __init__(self, console: Console, client: RegistryClient) -> None:
        super().__init__(console)
        self._client = client

    def epoch(self, result: EpochResult, epochs: int, *, is_best: bool) -> None:
        self._client.ask_stop(self._client.training_runs()[0].run_id)
