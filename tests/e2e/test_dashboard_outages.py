"""Each page during an outage of one service: it names the service, works otherwise and recovers."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from euguess.clients import InferenceClient, RegistryClient, SamplerClient
from euguess.errors import ServiceUnavailable
from euguess.process.ports import LOOPBACK, free_ports
from euguess.process.programs import find_redis
from euguess.stack.credentials import load_credentials
from euguess.stack.plan import Port, StackPlan
from euguess.stack.processes import ServerSpec, started
from euguess.stack.state import STATE_FILE
from tests.e2e.running import DemoStack, eventually
from tests.support.browser import SCREENSHOTS

pytestmark = [pytest.mark.timeout(1800), pytest.mark.browser]

SOON_MS = 30_000  # until a page names the unavailable service
KEPT_SECONDS = 11.0  # longer than pages cache a service's responses
BACK_SECONDS = 120.0
DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"
# What each page shows when all services respond.
PAGES = {
    "overview": "Champion",
    "dataset": "Places per country",
    "predict": "photos of one place",
    "training": "Log loss",
    "results": "Table 2",
    "models": "Full report",
    "play": "Your name",
}


@dataclass(frozen=True)
class Outage:
    """A service: its name in the stack, its name on pages, and the pages that need it."""

    server: str
    called: str
    variable: str  # the dashboard's setting for its address; empty if it never connects
    pages: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()  # further settings that the address needs


ASKING_AGAIN = ("overview", "training")  # refreshed every few seconds
OUTAGES = (
    Outage("sampler", "sampler", "EUGUESS_SAMPLER_URL", ("overview", "training")),
    Outage("redis", "Redis", "", ("overview",)),
    Outage(
        "mlflow",
        "MLflow",
        "EUGUESS_MLFLOW_URL",
        ("overview", "training", "results", "models", "play"),
    ),
    Outage("inference", "TorchServe", "EUGUESS_INFERENCE_URL", ("overview",)),
    Outage(
        "s3",
        "store",
        "EUGUESS_S3_ENDPOINT",
        ("overview", "dataset", "models", "play"),
        (
            ("EUGUESS_STORE_URL", "s3://euguess"),
            ("EUGUESS_S3_ACCESS_KEY", "nobody"),
            ("EUGUESS_S3_SECRET_KEY", "nobody"),
        ),
    ),
)
HANGING = tuple(outage for outage in OUTAGES if outage.server != "s3")  # not in the local stack


def _pid(stack: DemoStack, server: str) -> int:
    """Return the process ids of the server and its process group."""
    pids: dict[str, int] = json.loads((stack.home / STATE_FILE).read_text())["pids"]
    return pids[server]


@contextmanager
def _hanging(stack: DemoStack, server: str) -> Iterator[None]:
    """Suspend the server, so that it accepts connections but does not respond."""
    group = _pid(stack, server)
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the stack may have replaced it
            os.killpg(group, signal.SIGCONT)
        eventually(lambda: _is_well(stack), BACK_SECONDS, "recovery of the stack")


def _is_well(stack: DemoStack) -> bool:
    key_file = stack.home / "inference" / "key_file.json"
    with (
        SamplerClient(_address(stack, Port.SAMPLER)) as sampler,
        RegistryClient(_address(stack, Port.MLFLOW)) as registry,
        InferenceClient(_address(stack, Port.INFERENCE), key_file) as inference,
    ):
        try:
            registry.check()
            inference.check()
            return not sampler.troubles()
        except ServiceUnavailable:
            return False


def _address(stack: DemoStack, port: Port) -> str:
    return f"http://{LOOPBACK}:{stack.port_base + port}"


@pytest.fixture
def dashboard_without(
    request: pytest.FixtureRequest, demo_stack: DemoStack, tmp_path: Path
) -> Iterator[str]:
    """Start another dashboard with a wrong address for one service."""
    outage: Outage = request.param
    port, nobody = free_ports(2)
    plan = StackPlan(
        home=demo_stack.home,
        port_base=demo_stack.port_base,
        credentials=load_credentials(demo_stack.home),
        redis_program=find_redis(),
        extra_variables=((outage.variable, f"http://{LOOPBACK}:{nobody}"), *outage.also),
    )
    spec = next(spec for spec in plan.services() if spec.name == "dashboard")
    with started(_moved(spec, port), tmp_path / "dashboard.log"):
        yield f"http://{LOOPBACK}:{port}"


def _moved(spec: ServerSpec, port: int) -> ServerSpec:
    """Return the same service specification with another port."""
    old = str(spec.ports[0])
    address = f"http://{LOOPBACK}:{port}/_stcore/health"
    return ServerSpec(
        name=spec.name,
        argv=tuple(str(port) if part == old else part for part in spec.argv),
        ready=lambda: _answers(address),
        env=spec.env,
        ports=(port,),
    )


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def _open(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/{'' if name == 'overview' else name}")
    expect(page.locator("h1").first).to_be_visible(timeout=SOON_MS)


def _check_outage(page: Page, address: str, outage: Outage, how: str) -> None:
    """Check that each page is drawn, and that pages that need the service show what to do."""
    for name, usual in PAGES.items():
        _open(page, address, name)
        main = page.get_by_test_id("stMain")
        if name in outage.pages:
            alert = page.get_by_test_id("stAlert").filter(has_text=outage.called).first
            expect(alert).to_contain_text("euguess up", timeout=SOON_MS)
        else:
            expect(main).to_contain_text(usual, timeout=SOON_MS)
        if name not in ASKING_AGAIN:
            expect(page.locator(DRAWN)).to_have_count(1, timeout=SOON_MS)
        page.screenshot(path=SCREENSHOTS / f"dashboard-{name}-without-{outage.server}-{how}.png")
        expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("outage", HANGING, ids=lambda outage: outage.server)
def test_pages_report_a_hanging_service_and_recover(
    page: Page, demo_stack: DemoStack, outage: Outage
) -> None:
    address = _address(demo_stack, Port.DASHBOARD)
    with _hanging(demo_stack, outage.server):
        page.wait_for_timeout(1000 * KEPT_SECONDS)
        _check_outage(page, address, outage, "hanging")
    for name, usual in PAGES.items():
        _open(page, address, name)
        expect(page.get_by_test_id("stMain")).to_contain_text(usual, timeout=SOON_MS)
        expect(page.get_by_test_id("stAlert").filter(has_text="euguess up")).to_have_count(
            0, timeout=SOON_MS
        )


@pytest.mark.parametrize(
    ("dashboard_without", "outage"),
    [(outage, outage) for outage in OUTAGES if outage.variable],
    ids=[outage.server for outage in OUTAGES if outage.variable],
    indirect=["dashboard_without"],
)
def test_pages_report_a_service_that_refuses_connections(
    page: Page, dashboard_without: str, outage: Outage
) -> None:
    _check_outage(page, dashboard_without, outage, "refused")
