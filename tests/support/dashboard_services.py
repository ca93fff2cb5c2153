"""Fake services that respond to the dashboard's clients from memory, each with optional outage."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from PIL import Image

from dashboard.connections import Connections
from dashboard.store import Store
from euguess.clients import InferenceClient, RegistryClient, SamplerClient
from euguess.errors import StoreUnavailable
from euguess.geography.countries import country
from euguess.images.limited_decoder import DecoderPool
from euguess.messages.collection import (
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)
from euguess.messages.records import Interval
from euguess.messages.serving import (
    CountryProbability,
    Explanation,
    ImageSpec,
    ModelCard,
    ModelCountry,
    Prediction,
    ServedModel,
    ViewExplanation,
)
from euguess.messages.training import SeenViews, TrainRun
from euguess.promotion.versions import DECISIVE_METRIC, RegisteredVersion
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore
from euguess.storage.local import memory_store
from euguess.training.report import Report
from euguess.training.runs import (
    ALIVE_TAG,
    EXPERIMENT,
    MILLISECONDS,
    PLACES_TAG,
    PROMOTE_TAG,
    RECIPE_FILE,
    REPORT_FILE,
    STOP_TAG,
    TESTED_METRIC,
    TrainingRun,
)

URL = "http://127.0.0.1:9"
TRAINED_AT = datetime(2026, 2, 3, tzinfo=UTC)


def model_card(*codes: str, dataset: str = "demo", protocol: str = "location") -> ModelCard:
    """Build the card of a champion for some countries."""
    return ModelCard(
        version="7",
        network="googlenet",
        countries=tuple(ModelCountry(country_code=c, name=country(c).name) for c in codes),
        image=ImageSpec(size=64),
        dataset=dataset,
        manifest_digest="0" * 64,
        recipe_name="demo",
        trained_at=TRAINED_AT,
        split_protocol=protocol,
        metrics={"fused_top1_accuracy": Interval(value=0.53, low=0.41, high=0.66)},
    )


def prediction(code: str, probability: float = 0.6) -> Prediction:
    """Build a prediction of a country; one other country has the remaining probability."""
    name, other = country(code).name, "DE" if code == "FR" else "FR"
    row = CountryProbability(country_code=code, country=name, probability=probability)
    return Prediction(
        country_code=code,
        country=name,
        probability=probability,
        top=(row,),
        probabilities={code: probability, other: round(1 - probability, 6)},
        country_set=(code,),
        abstain=False,
        views=1,
        model=ServedModel(name="euguess", version="7", dataset="demo", trained_at=TRAINED_AT),
    )


def explanation(prediction: Prediction, views: int) -> Explanation:
    """Build an explanation with uniform heat maps and an effect that grows from view to view."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 255).save(buffer, "PNG")
    heat_map = base64.b64encode(buffer.getvalue()).decode()
    effects = [0.1 * number if views > 1 else None for number in range(views)]
    return Explanation(
        country_code=prediction.country_code,
        country=prediction.country,
        probability=prediction.probability,
        method="grad-cam",
        views=tuple(ViewExplanation(heat_map=heat_map, effect=effect) for effect in effects),
        model=prediction.model,
    )


class UnreachableStore(Store):
    """A store that is down."""

    def _store(self) -> ObjectStore:
        raise StoreUnavailable


DECODERS = DecoderPool(1)  # its process serves all tests


@dataclass
class FakeServices:
    """The responses of each service; those in `down` (sampler, mlflow, torchserve, store) fail."""

    statuses: list[DatasetStatus] = field(default_factory=list)
    queues: QueueStatus = field(
        default_factory=lambda: QueueStatus(
            messages={"fetch": 0, "train": 0}, slots_in_flight=0, dead_letters=0
        )
    )
    letters: list[DeadLetter] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    card: ModelCard | None = None  # of all versions
    versions: list[RegisteredVersion] = field(default_factory=list)
    champion_version: str | None = None
    report: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Report] = field(default_factory=dict)  # finished ones by id, newest first
    trainings: list[TrainingRun] = field(default_factory=list)  # newest first
    histories: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # by run and metric
    recipes: dict[str, str] = field(default_factory=dict)  # TOML by run id
    train_requests: list[TrainRun] = field(default_factory=list)  # sent to the sampler
    changes: list[tuple[str, str, str]] = field(default_factory=list)  # sent to the sampler
    tagged: list[tuple[str, str, str]] = field(default_factory=list)  # (set-tag.., run id, key)
    seen: SeenViews = field(default_factory=lambda: SeenViews(location_ids=(), sha256s=()))
    guess: Callable[[bytes], Prediction] = lambda _: prediction("FR")
    views_explained: int = 1
    refusal: str = ""  # the model server's reason, in place of an answer
    objects: ObjectStore = field(default_factory=memory_store)
    down: set[str] = field(default_factory=set)

    def connections(self) -> Connections:
        settings = StoreSettings(store_url="memory://")
        is_down = "store" in self.down
        store = UnreachableStore(settings) if is_down else Store(settings, self.objects)
        return Connections(
            sampler=SamplerClient(URL, self._transport("sampler", self._sampler)),
            registry=RegistryClient(URL, self._transport("mlflow", self._mlflow)),
            inference=InferenceClient(
                URL, transport=self._transport("torchserve", self._torchserve)
            ),
            store=store,
            decoders=DECODERS,
        )

    def _transport(
        self, name: str, answer: Callable[[httpx.Request], httpx.Response]
    ) -> httpx.MockTransport:
        def respond(request: httpx.Request) -> httpx.Response:
            if name in self.down:
                raise httpx.ConnectError("refused", request=request)
            return answer(request)

        return httpx.MockTransport(respond)

    def _sampler(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(503 if self.troubles else 200, json=self.troubles)
        if request.url.path == "/trainings":
            self.train_requests.append(TrainRun.model_validate_json(request.content))
            return httpx.Response(202, json={})
        if request.url.path == "/queues":
            return httpx.Response(200, json=self.queues.model_dump(mode="json"))
        if request.method != "GET":
            self.changes.append((request.method, request.url.path, request.content.decode()))
            return httpx.Response(200, json=self.statuses[0].model_dump(mode="json"))
        rows = self.letters if request.url.path == "/dead-letters" else self.statuses
        return httpx.Response(200, json=[row.model_dump(mode="json") for row in rows])

    def _mlflow(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200)
        if request.url.path.endswith(("/experiments/search", "/runs/search")):
            return self._runs_response(request)
        if request.url.path.endswith(("/set-tag", "/delete-tag")):
            body, verb = json.loads(request.content), request.url.path.rpartition("/")[2]
            self.tagged.append((verb, body["run_id"], body["key"]))
            return httpx.Response(200, json={})
        if request.url.path.endswith("/metrics/get-history"):
            return self._history_response(request)
        asked = request.url.params
        if asked.get("path") == RECIPE_FILE and asked["run_uuid"] in self.recipes:
            return httpx.Response(200, text=self.recipes[asked["run_uuid"]])
        if asked.get("path") == REPORT_FILE and asked["run_uuid"] in self.runs:
            return httpx.Response(200, text=self.runs[asked["run_uuid"]].model_dump_json())
        if request.url.path.endswith("/model-versions/search"):
            found = [_version(candidate) for candidate in self.versions]
            return httpx.Response(200, json={"model_versions": found})
        if self.versions and request.url.path != "/get-artifact":
            return self._version_response(request)
        if self.card is None:
            return httpx.Response(404, json={})
        if request.url.path == "/get-artifact":
            name = request.url.params["path"]
            if name.endswith("report.json"):
                return httpx.Response(200, json=self.report)
            record = self.card if name.endswith("model.json") else self.seen
            return httpx.Response(200, json=record.model_dump(mode="json"))
        version = {"run_id": "run", "version": self.card.version}
        return httpx.Response(200, json={"model_version": version})

    def _runs_response(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/experiments/search"):
            experiments = [{"experiment_id": "1", "name": EXPERIMENT}]
            is_there = bool(self.runs or self.trainings)
            return httpx.Response(200, json={"experiments": experiments} if is_there else {})
        found = [_run(run_id, report) for run_id, report in self.runs.items()]
        if not json.loads(request.content)["filter"]:  # all, not the finished ones alone
            found = [_training(run) for run in self.trainings]
        return httpx.Response(200, json={"runs": found})

    def _history_response(self, request: httpx.Request) -> httpx.Response:
        curves = self.histories.get(request.url.params["run_id"], {})
        name = request.url.params["metric_key"]
        points = enumerate(curves.get(name, ()), start=1)
        metrics = [{"key": name, "value": value, "step": step} for step, value in points]
        return httpx.Response(200, json={"metrics": metrics})

    def _version_response(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.champion_version = json.loads(request.content)["version"]
            return httpx.Response(200, json={})
        number = request.url.params.get("version", self.champion_version)
        named = [_version(one) for one in self.versions if one.version == number]
        found = {"model_version": named[0]} if named else {}
        return httpx.Response(200 if named else 404, json=found)

    def _torchserve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ping":
            return httpx.Response(200, json={"status": "Healthy"})
        if self.refusal:
            return httpx.Response(400, json={"code": 400, "message": self.refusal})
        guessed = self.guess(request.read())
        is_why = request.url.path.startswith("/explanations/")
        answer = explanation(guessed, self.views_explained) if is_why else guessed
        return httpx.Response(200, json=answer.model_dump(mode="json"))


def candidate(number: int, **changes: Any) -> RegisteredVersion:
    """Build a registered version with an honest test."""
    made = RegisteredVersion(
        version=str(number),
        run_id=f"run-{number}",
        dataset="demo",
        manifest_digest="0" * 64,
        protocol="location",
        accuracy=0.5,
        is_honest=True,
    )
    return replace(made, **changes)


def _version(one: RegisteredVersion) -> dict[str, object]:
    """Convert to MLflow's JSON."""
    tags = {
        "dataset": one.dataset,
        "manifest_digest": one.manifest_digest,
        "protocol": one.protocol,
        "is_honest": str(one.is_honest),
        "may_leak": str(one.may_leak),
        "faults": ",".join(one.faults),
        "countries": ",".join(one.countries),
        DECISIVE_METRIC: str(one.accuracy),
    }
    return {"version": one.version, "run_id": one.run_id, "tags": _rows(tags)}


def _run(run_id: str, report: Report) -> dict[str, object]:
    """Convert to MLflow's JSON."""
    trained_at = report.trained_at or TRAINED_AT
    params = {"name": report.recipe_name, "network": report.network}
    tags = {
        "dataset": report.dataset,
        "protocol": report.protocol,
        PLACES_TAG: report.places.value,
    }
    metrics = {TESTED_METRIC: report.metrics[DECISIVE_METRIC].value}
    info = {"run_id": run_id, "start_time": int(trained_at.timestamp() * MILLISECONDS)}
    data = {"params": _rows(params), "tags": _rows(tags), "metrics": _rows(metrics)}
    return {"info": info, "data": data}


def _training(run: TrainingRun) -> dict[str, object]:
    """Convert to MLflow's JSON."""
    started = int(run.started_at.timestamp() * MILLISECONDS)
    tags = {"dataset": run.dataset, "protocol": run.protocol}
    marks = {STOP_TAG: run.is_stopping, PROMOTE_TAG: run.promotes}
    tags |= {name: "yes" for name, is_set in marks.items() if is_set}
    if run.alive_at is not None:
        tags[ALIVE_TAG] = run.alive_at.isoformat()
    return {
        "info": {"run_id": run.run_id, "status": run.status, "start_time": started},
        "data": {"params": _rows(run.settings), "tags": _rows(tags)},
    }


def _rows(pairs: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def fill(services: FakeServices, *objects: tuple[str, bytes]) -> None:
    """Store objects."""

    async def put() -> None:
        for key, data in objects:
            await services.objects.put(key, data)

    asyncio.run(put())
