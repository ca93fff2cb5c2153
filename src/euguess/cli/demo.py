"""The demonstration: collect, train, promote and query."""

import asyncio
import time
from collections.abc import Callable

from rich.status import Status

from euguess.cli import connections
from euguess.cli.datasets import wait_until_complete
from euguess.clients import InferenceClient, RegistryClient
from euguess.collection.layout import locations_prefix
from euguess.errors import EUGuessError, InvalidInput, ServiceUnavailable
from euguess.geography.countries import country
from euguess.messages.collection import DatasetSpec, LocationRecord
from euguess.messages.serving import Prediction
from euguess.process.project import project_root, run_service
from euguess.settings import FirstRunSettings, MlflowSettings
from euguess.terminal.output import console, counts_table, messages, prediction_table

COUNTRIES = ("ES", "FI", "FR", "GB", "GR", "NL", "PL", "SE")
LOCATIONS_PER_COUNTRY = 40
DEMO = DatasetSpec(name="demo", quotas=dict.fromkeys(COUNTRIES, LOCATIONS_PER_COUNTRY), seed=1)
# Places outside the training data, for queries to the served model.
NEW_PLACES = DatasetSpec(name="demo-new-places", quotas=dict.fromkeys(COUNTRIES, 1), seed=2)
SERVE_SECONDS = 180.0
POLL_SECONDS = 1.0


def run_demo() -> None:
    """Run the demonstration on the configured stack. Raises EUGuessError if a step fails."""
    _step("Collecting random places, three views each")
    _collect(DEMO)
    _collect(NEW_PLACES)
    _step("Training under the leaky split (by image) and the honest split (by place)")
    _train()
    _step("Waiting for TorchServe to serve the champion")
    client = _served_champion()
    _step("Querying it with one view and with three views of a new place")
    _ask(client)


def run_demo_once() -> None:
    """Run the demonstration unless there is a champion or EUGUESS_FIRST_RUN is off."""
    if FirstRunSettings.load().is_off:
        console.print("EUGUESS_FIRST_RUN is off; nothing to do.")
        return
    with RegistryClient(MlflowSettings.load().mlflow_url) as registry:
        champion = registry.champion()
    if champion is None:
        run_demo()
    else:
        console.print(f"There is a champion already (version {champion.version}); nothing to do.")


def _collect(spec: DatasetSpec) -> None:
    client = connections.sampler_client()
    client.create(spec)
    console.print(counts_table(wait_until_complete(client, spec.name)))


def _train() -> None:
    recipe = project_root() / "experiments" / "demo.toml"
    code = run_service("trainer", "compare", DEMO.name, "--recipe", str(recipe), "--promote")
    if code != 0:
        raise EUGuessError("The training failed. Its messages are above.")


def _served_champion() -> InferenceClient:
    champion = RegistryClient(MlflowSettings.load().mlflow_url).champion()
    client = connections.inference_client()
    if champion is None or client is None:
        raise ServiceUnavailable("No champion to serve. Was the model promoted?")
    views = asyncio.run(_views_of_a_new_place())[1]
    with messages.status("Loading the model") as status:
        _poll(lambda: client.predict(views[:1]).model.version == champion.version, status)
    return client


def _poll(is_done: Callable[[], bool], status: Status) -> None:
    deadline = time.monotonic() + SERVE_SECONDS
    while not _tolerantly(is_done):
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"TorchServe did not serve the champion within {SERVE_SECONDS:g} seconds. "
                "See logs/inference.log in EUGUESS_HOME."
            )
        status.update("Loading the model")
        time.sleep(POLL_SECONDS)


def _tolerantly(is_done: Callable[[], bool]) -> bool:
    """Treat errors as "not yet": TorchServe has no model until the first one is loaded."""
    try:
        return is_done()
    except (ServiceUnavailable, InvalidInput):
        return False


def _ask(client: InferenceClient) -> None:
    record, views = asyncio.run(_views_of_a_new_place())
    for count in (1, len(views)):
        prediction = client.predict(views[:count])
        console.print(prediction_table(prediction))
        console.print(_verdict(record, prediction))


def _verdict(record: LocationRecord, prediction: Prediction) -> str:
    truth = country(record.country_code).name
    is_right = prediction.country_code == record.country_code
    mark = "[green]right[/green]" if is_right else "[red]wrong[/red]"
    views = f"{prediction.views} view{'s' if prediction.views > 1 else ''}"
    return f"With {views}: {prediction.country}; the place is in {truth}: {mark}."


async def _views_of_a_new_place() -> tuple[LocationRecord, list[bytes]]:
    store = await connections.store()
    keys = sorted([key async for key in store.list(locations_prefix(NEW_PLACES.name))])
    if not keys:
        raise EUGuessError("Could not collect a new place. See `euguess dataset status`.")
    record = LocationRecord.model_validate_json(await store.get(keys[0]))
    return record, [await store.get(view.key, sha256=view.sha256) for view in record.views]


def _step(text: str) -> None:
    console.rule(f"[bold]{text}")
