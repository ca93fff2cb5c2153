"""The demonstration as a new user runs it, and commands run beside it."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from euguess.collection.layout import locations_prefix
from euguess.messages.collection import DatasetStatus
from euguess.messages.serving import Prediction
from euguess.settings import HOME_STORE, StoreSettings
from euguess.storage import open_store
from tests.e2e.running import DemoStack, processes_of, run_euguess

pytestmark = pytest.mark.timeout(1200)


def status(stack: DemoStack, name: str) -> DatasetStatus:
    return DatasetStatus.model_validate_json(
        stack.euguess("dataset", "status", name, "--json").stdout
    )


async def photos_of_a_new_place(stack: DemoStack, folder: Path) -> list[Path]:
    store = await open_store(StoreSettings(store_url=f"file://{stack.home / HOME_STORE}"))
    key = min([key async for key in store.list(locations_prefix("demo-new-places"))])
    record = json.loads(await store.get(key))
    paths = [folder / f"{index}.jpg" for index in range(len(record["views"]))]
    for path, view in zip(paths, record["views"], strict=True):
        path.write_bytes(await store.get(view["key"], sha256=view["sha256"]))
    return paths


def test_the_demo_collects_eight_countries_with_forty_places_each(demo_stack: DemoStack) -> None:
    found = status(demo_stack, "demo")
    assert len(found.countries) == 8
    assert found.total.requested == 320
    assert found.total.pending == 0
    assert found.total.stored >= 300
    assert found.images == 3 * found.total.stored


def test_the_demo_shows_leaky_and_honest_accuracy_with_intervals(demo_stack: DemoStack) -> None:
    assert re.search(r"leaky", demo_stack.output, re.IGNORECASE)
    assert re.search(r"honest", demo_stack.output, re.IGNORECASE)
    assert "With 1 view:" in demo_stack.output
    assert "With 3 views:" in demo_stack.output


@pytest.mark.parametrize("count", [1, 3])
async def test_the_served_champion_answers_for_one_and_three_views(
    demo_stack: DemoStack, tmp_path: Path, count: int
) -> None:
    paths = await photos_of_a_new_place(demo_stack, tmp_path)
    answer = demo_stack.euguess("predict", *map(str, paths[:count]), "--json")
    prediction = Prediction.model_validate_json(answer.stdout)
    assert prediction.views == count
    assert prediction.model.dataset == "demo"


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "empty"), (b"hello", "Unknown image format")], ids=["empty", "text"]
)
def test_a_bad_photo_gets_the_servers_reason(
    demo_stack: DemoStack, tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    answer = demo_stack.euguess("predict", str(path))
    assert answer.returncode == 2
    assert reason in answer.stderr


def test_a_second_stack_in_the_same_home_is_refused(demo_stack: DemoStack) -> None:
    answer = demo_stack.euguess("up")
    assert answer.returncode == 1
    assert "already running" in answer.stderr


def test_a_taken_port_is_named(demo_stack: DemoStack, tmp_path: Path) -> None:
    taken = ["up", "--port-base", str(demo_stack.port_base)]
    answer = run_euguess(tmp_path / "other", taken)
    assert answer.returncode == 1
    assert f"Port {demo_stack.port_base}" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert processes_of(tmp_path / "other") == []


def test_the_live_view_can_be_rebuilt_from_the_store(demo_stack: DemoStack) -> None:
    before = status(demo_stack, "demo")
    answer = demo_stack.euguess("dataset", "rebuild", "demo", "--json")
    assert DatasetStatus.model_validate_json(answer.stdout).total == before.total


def test_no_secret_is_in_any_log(demo_stack: DemoStack) -> None:
    secrets = json.loads((demo_stack.home / "credentials.json").read_text()).values()
    for path in (demo_stack.home / "logs").glob("*.log"):
        text = path.read_text(errors="replace")
        assert not [name for name in secrets if name in text], path.name


def test_the_sampler_documents_itself(demo_stack: DemoStack) -> None:
    address = f"http://127.0.0.1:{demo_stack.port_base + 1}"
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    assert {"/datasets", "/datasets/{name}", "/countries", "/healthz"} <= set(paths)
    assert "euguess" in httpx.get(f"{address}/metrics").text


def test_make_help_lists_the_targets() -> None:
    answer = subprocess.run(["make", "help"], capture_output=True, text=True, check=True)
    assert {"demo", "test", "lint"} <= {line.split()[0] for line in answer.stdout.splitlines()}
