"""The HTTP clients against scripted responses."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from euguess.clients import InferenceClient, RegistryClient, SamplerClient
from euguess.errors import (
    DatasetConflict,
    DatasetNotFound,
    EUGuessError,
    InvalidInput,
    ServiceUnavailable,
)
from euguess.messages.collection import DatasetSpec
from euguess.messages.serving import ModelCard

URL = "http://127.0.0.1:9"
SPEC = DatasetSpec(name="demo", quotas={"FR": 1})
PREDICTION = {
    "country_code": "FR",
    "country": "France",
    "probability": 0.6,
    "top": [{"country_code": "FR", "country": "France", "probability": 0.6}],
    "probabilities": {"FR": 0.6, "DE": 0.4},
    "country_set": ["FR", "DE"],
    "abstain": False,
    "views": 1,
    "model": {
        "name": "euguess",
        "version": "3",
        "dataset": "demo",
        "trained_at": "2026-01-01T00:00:00Z",
    },
}
CARD = {
    "network": "customnet",
    "countries": [
        {"country_code": "FR", "name": "France"},
        {"country_code": "PL", "name": "Poland"},
    ],
    "image": {"size": 64},
    "dataset": "demo",
    "manifest_digest": "0" * 64,
    "recipe_name": "demo",
    "trained_at": "2026-01-01T00:00:00Z",
    "split_protocol": "location",
}


def answering(status: int, body: object) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def failing(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key_file.json"
    path.write_text(json.dumps({"inference": {"key": "secret-token"}}))
    return path


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, DatasetNotFound),
        (409, DatasetConflict),
        (422, InvalidInput),
        (503, ServiceUnavailable),
    ],
)
def test_sampler_errors_keep_their_reason(status: int, kind: type[EUGuessError]) -> None:
    client = SamplerClient(URL, answering(status, {"detail": "the reason"}))
    with pytest.raises(kind, match="the reason"):
        client.create(SPEC)


def test_an_unavailable_sampler_is_reported_with_the_next_step() -> None:
    with pytest.raises(ServiceUnavailable, match="euguess up"):
        SamplerClient(URL, httpx.MockTransport(failing)).datasets()


def test_one_view_is_sent_as_the_raw_body_with_the_token(key_file: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=PREDICTION)

    client = InferenceClient(URL, key_file, httpx.MockTransport(answer))
    assert client.predict([b"jpeg"]).country_code == "FR"
    assert seen[0].content == b"jpeg"
    assert seen[0].headers["Authorization"] == "Bearer secret-token"


def test_an_explanation_is_requested_with_the_same_body_and_token(key_file: Path) -> None:
    seen: list[httpx.Request] = []
    kept = ("country_code", "country", "probability", "model")
    views = [{"heat_map": "aGVhdA==", "effect": None}]
    body = {name: PREDICTION[name] for name in kept} | {"method": "grad-cam", "views": views}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=body)

    client = InferenceClient(URL, key_file, httpx.MockTransport(answer))
    assert client.explain([b"jpeg"]).views[0].effect is None
    assert seen[0].url.path == "/explanations/euguess"
    assert seen[0].content == b"jpeg"
    assert seen[0].headers["Authorization"] == "Bearer secret-token"


def test_several_views_are_sent_as_multipart_fields() -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(200, json=PREDICTION)

    InferenceClient(URL, transport=httpx.MockTransport(answer)).predict([b"one", b"two"])
    assert b'name="view1"' in bodies[0]
    assert b'name="view2"' in bodies[0]


@pytest.mark.parametrize("count", [0, 9])
def test_a_wrong_number_of_views_is_refused_before_sending(count: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 8"):
        InferenceClient(URL, transport=httpx.MockTransport(failing)).predict([b"x"] * count)


def test_a_refused_photo_keeps_the_servers_reason() -> None:
    client = InferenceClient(URL, transport=answering(400, {"reason": "The image is empty."}))
    with pytest.raises(InvalidInput, match="empty"):
        client.predict([b""])


def test_a_refused_token_is_not_blamed_on_the_photo() -> None:
    body = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
    with pytest.raises(ServiceUnavailable, match="Token"):
        InferenceClient(URL, transport=answering(400, body)).predict([b"x"])


def test_a_response_of_another_server_is_not_a_prediction() -> None:
    with pytest.raises(ServiceUnavailable, match="is not the model server of EUGuess"):
        InferenceClient(URL, transport=answering(200, {"hello": "world"})).predict([b"x"])


def registry(artifact: object) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/alias"):
            return httpx.Response(200, json={"model_version": {"run_id": "r1", "version": "7"}})
        assert request.url.params["run_uuid"] == "r1"
        return httpx.Response(200, json=artifact)

    return answer


def test_the_champions_card_carries_its_registry_version() -> None:
    card = RegistryClient(URL, httpx.MockTransport(registry(CARD))).champion()
    assert card == ModelCard.model_validate({**CARD, "version": "7"})


def test_no_champion_is_not_an_error() -> None:
    missing = answering(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
    assert RegistryClient(URL, missing).champion() is None


def test_the_champions_seen_views_are_read_from_its_run() -> None:
    seen = {"location_ids": ["simulator-1"], "sha256s": ["0" * 64]}
    found = RegistryClient(URL, httpx.MockTransport(registry(seen))).champion_seen()
    assert found is not None
    assert found.location_ids == ("simulator-1",)


def test_an_unready_sampler_reports_what_fails() -> None:
    assert SamplerClient(URL, answering(200, {"status": "ready"})).troubles() == {}
    client = SamplerClient(URL, answering(503, {"redis": "does not answer"}))
    assert client.troubles() == {"redis": "does not answer"}


@pytest.mark.parametrize("kind", [RegistryClient, InferenceClient])
def test_health_checks_detect_failing_services(
    kind: type[RegistryClient] | type[InferenceClient],
) -> None:
    kind(URL, transport=answering(200, {})).check()
    for transport in (answering(500, {}), httpx.MockTransport(failing)):
        with pytest.raises(ServiceUnavailable):
            kind(URL, transport=transport).check()
