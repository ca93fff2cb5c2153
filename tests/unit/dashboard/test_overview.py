"""The page's logic, drawn by Streamlit's own test runner."""

import json

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from euguess.clients import RegistryClient, SamplerClient
from euguess.schemas import DatasetSpec, DatasetState, DatasetStatus, StatusCounts

URL = "http://127.0.0.1:9"
COUNTS = StatusCounts(requested=5, stored=2, no_coverage=1, failed=1, pending=1)


def status(state: DatasetState, reason: str | None = None) -> str:
    spec = DatasetSpec(name="demo", quotas={"FR": 5})
    made = DatasetStatus(
        spec=spec,
        state=state,
        reason=reason,
        total=COUNTS,
        countries={"FR": COUNTS},
        failures={"damaged <b>photo</b>": 1},
    )
    return f"[{made.model_dump_json()}]"


def sampler(body: str) -> SamplerClient:
    answer = httpx.Response(200, content=body.encode())
    return SamplerClient(URL, httpx.MockTransport(lambda _: answer))


def no_registry() -> RegistryClient:
    missing = httpx.Response(404, content=json.dumps({}).encode())
    return RegistryClient(URL, httpx.MockTransport(lambda _: missing))


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def page(sampler_client: SamplerClient, registry_client: RegistryClient) -> AppTest:
    def draw(sampler_client, registry_client):  # type: ignore[no-untyped-def] # runs as a script of its own
        from dashboard.views.overview import render

        render(sampler_client, registry_client)

    return AppTest.from_function(draw, args=(sampler_client, registry_client)).run(timeout=30)


def test_counts_are_shown() -> None:
    drawn = page(sampler(status(DatasetState.COLLECTING)), no_registry())
    assert not drawn.exception
    assert {m.label: m.value for m in drawn.metric} == {
        "Requested": "5",
        "Stored": "2",
        "No coverage": "1",
        "Failed": "1",
        "Pending": "1",
    }


def test_a_pause_is_shown_with_its_reason() -> None:
    drawn = page(sampler(status(DatasetState.PAUSED, "quota")), no_registry())
    assert "quota" in drawn.warning[0].value


def test_empty_states_teach_the_next_step() -> None:
    drawn = page(sampler("[]"), no_registry())
    assert "euguess dataset create" in drawn.info[0].value
    assert "euguess train" in drawn.info[1].value


@pytest.mark.parametrize("part", ["sampler", "registry"])
def test_a_service_that_is_down_takes_only_its_part_along(part: str) -> None:
    broken_sampler = SamplerClient(URL, httpx.MockTransport(down))
    broken_registry = RegistryClient(URL, httpx.MockTransport(down))
    is_sampler = part == "sampler"
    drawn = page(
        broken_sampler if is_sampler else sampler("[]"),
        no_registry() if is_sampler else broken_registry,
    )
    assert not drawn.exception
    assert len(drawn.error) == 1
    assert len(drawn.info) == 1
