"""`euguess dataset`: collect, import, monitor, export and rebuild datasets."""

import asyncio
import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from euguess.cli import connections
from euguess.cli.audits import audit_dataset
from euguess.cli.budgets import budget, plan
from euguess.cli.exports import export
from euguess.cli.imports import import_photos
from euguess.cli.specs import (
    BudgetDollars,
    BudgetImages,
    Countries,
    Headings,
    PerCountry,
    PresetName,
    Provider,
    budget_of,
    read_spec_options,
)
from euguess.clients import SamplerClient
from euguess.errors import DamagedRecord
from euguess.messages.collection import DatasetState, DatasetStatus
from euguess.settings import ServiceSettings
from euguess.terminal.output import console, counts_table, datasets_table, messages, print_json

app = typer.Typer(
    help="Collect, import, monitor, export and rebuild datasets.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(help="Dataset name: lower-case letters, digits, . _ -")]
POLL_SECONDS = 0.5
STOP_SECONDS = 30.0
NO_DATASETS = (
    "No datasets yet. Import photos: euguess dataset import --help. "
    "Collect some: euguess dataset create --help"
)
ACTIVE = (DatasetState.COLLECTING, DatasetState.PAUSED)


@app.command()
def create(
    name: Name,
    preset_name: PresetName = "eu32",
    countries: Countries = "",
    per_country: PerCountry = None,
    provider: Provider = "simulator",
    headings: Headings = "0,120,240",
    seed: Annotated[int, typer.Option(help="The same seed draws the same coordinates")] = 0,
    budget_images: BudgetImages = None,
    budget_dollars: BudgetDollars = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until complete")] = False,
    as_json: AsJson = False,
) -> None:
    """Collect a dataset: random places, with three views of each by default.

    Quote the price first with `euguess dataset plan`. A spent budget pauses the collection. Raise
    it with `euguess dataset budget`.

    Example: euguess dataset create demo --countries FR,PL,GB --per-country 40 --wait
    """
    spec = read_spec_options(
        name,
        (preset_name, countries, per_country),
        headings,
        provider=provider,
        seed=seed,
        budget=budget_of(budget_images, budget_dollars),
    )
    client = connections.sampler_client()
    status = client.create(spec)
    if wait:
        status = wait_until_complete(client, name)
    _show(status, as_json=as_json)


app.command("audit")(audit_dataset)
app.command()(plan)
app.command()(budget)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Default: all datasets")] = None,
    as_json: AsJson = False,
) -> None:
    """Show counts per country: requested = stored + no coverage + failed + pending."""
    found = _statuses(name)
    if as_json:
        print_json(found[0] if name else [s.model_dump(mode="json") for s in found])
        return
    for one in found:
        console.print(counts_table(one))
    if not found:
        console.print(NO_DATASETS)


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List the datasets with their state, places and countries."""
    found = _statuses(None)
    if as_json:
        print_json([status.model_dump(mode="json") for status in found])
    elif found:
        console.print(datasets_table(found))
    else:
        console.print(NO_DATASETS)


@app.command()
def stop(name: Name, as_json: AsJson = False) -> None:
    """Stop a collection and keep its photos. Run `create` with the same values to resume it.

    Fetchers finish the places that they have begun, which takes seconds.
    """
    client = connections.sampler_client()
    _show(wait_until_stopped(client, client.stop(name)), as_json=as_json)


app.command("import")(import_photos)
app.command()(export)


@app.command()
def rebuild(name: Name, as_json: AsJson = False) -> None:
    """Rebuild counts and account in Redis from the store, also during a collection."""
    from euguess.collection import datasets

    async def run() -> DatasetStatus:
        return await datasets.rebuild(await connections.store(), await connections.ledger(), name)

    _show(asyncio.run(run()), as_json=as_json)


def wait_until_stopped(
    client: SamplerClient, current: DatasetStatus, seconds: float = STOP_SECONDS
) -> DatasetStatus:
    """Wait for the places in progress, so that the figures are final; not for a lost fetcher."""
    deadline = time.monotonic() + seconds
    with messages.status("") as shown:
        while current.in_progress and time.monotonic() < deadline:
            shown.update(current.headline.capitalize())
            time.sleep(POLL_SECONDS)
            current = client.status(current.spec.name)
    return current


def wait_until_complete(client: SamplerClient, name: str) -> DatasetStatus:
    """Show a progress bar until a collection is complete or stopped, or its budget is spent."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=messages) as progress:
        current = client.status(name)
        bar = progress.add_task(f"Collecting {name}", total=current.total.requested)
        while current.state in ACTIVE and not current.is_budget_spent:
            done = current.total.requested - current.total.pending
            note = f" [yellow]paused: {current.reason}[/yellow]" if current.reason else ""
            progress.update(bar, completed=done, description=f"Collecting {name}{note}")
            time.sleep(POLL_SECONDS)
            current = client.status(name)
        progress.update(bar, completed=current.total.requested - current.total.pending)
    if current.is_budget_spent:
        messages.print(f"Paused: {current.reason}. Raise it: euguess dataset budget {name}")
    return current


def _statuses(name: str | None) -> list[DatasetStatus]:
    if ServiceSettings.load().sampler_url:
        client = connections.sampler_client()
        return [client.status(name)] if name else client.datasets()
    return asyncio.run(_stored_statuses(name))


async def _stored_statuses(name: str | None) -> list[DatasetStatus]:
    from euguess.collection import datasets

    store = await connections.store()
    if name:
        return [await datasets.stored_status(store, name)]
    found = []
    for each in await datasets.dataset_names(store):
        try:
            found.append(await datasets.stored_status(store, each))
        except DamagedRecord as error:  # one dataset must not hide the others
            messages.print(str(error), style="yellow", markup=False, soft_wrap=True)
    return found


def _show(status: DatasetStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(status)
    else:
        console.print(counts_table(status))
