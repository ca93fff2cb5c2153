"""`euguess dataset plan` and `budget`: quote a collection, and limit its spending."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from euguess.cli import connections
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
from euguess.errors import InvalidInput
from euguess.messages.collection import Budget, DatasetStatus
from euguess.terminal.output import console, print_json

if TYPE_CHECKING:
    from euguess.collection.quote import Quote

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def plan(
    name: Annotated[str, typer.Argument(help="Dataset name; nothing is created")] = "plan",
    preset_name: PresetName = "eu32",
    countries: Countries = "",
    per_country: PerCountry = None,
    provider: Provider = "simulator",
    headings: Headings = "0,120,240",
    budget_images: BudgetImages = None,
    budget_dollars: BudgetDollars = None,
    as_json: AsJson = False,
) -> None:
    """Quote a collection before spending anything: places, images, price and hours.

    Takes the options of `create` and needs no network. Prices are the provider's list prices, which
    the budget counts too.

    Example: euguess dataset plan --provider google --per-country 100 --budget-dollars 50
    """
    from euguess.collection.quote import quote  # loads redis

    spec = read_spec_options(
        name,
        (preset_name, countries, per_country),
        headings,
        provider=provider,
        budget=budget_of(budget_images, budget_dollars),
    )
    found = quote(spec)
    if as_json:
        print_json(found)
    else:
        _show_quote(found)


def budget(
    name: Annotated[str, typer.Argument(help="Dataset name")],
    images: Annotated[int | None, typer.Option(help="Maximum number of paid images")] = None,
    dollars: Annotated[float | None, typer.Option(help="Maximum US dollars at list price")] = None,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Remove the limit")] = False,
    as_json: AsJson = False,
) -> None:
    """Show spending against the budget; with --images or --dollars, replace the budget.

    The budget counts from the start of the collection: to raise 300 images to 600, give 600. A
    collection that its budget paused resumes automatically.

    Example: euguess dataset budget demo --images 600
    """
    new_budget = budget_of(images, dollars)
    if unlimited and new_budget is not None:
        raise InvalidInput("Give either --unlimited or a budget.")
    client = connections.sampler_client()
    if new_budget is None and not unlimited:
        status = client.status(name)
    else:
        status = client.set_budget(name, new_budget or Budget())
    if as_json:
        print_json(status)
    else:
        _show_spending(status)


def _show_quote(found: "Quote") -> None:
    table = Table(title=f"Collecting from {found.provider}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    hours = found.hours_at_rate_limit
    rows = {
        "countries": f"{found.countries:,}",
        "places": f"{found.places:,}",
        "images": f"{found.images:,}",
        "messages": f"{found.messages:,}",
        "price": f"${found.dollars:,.2f}",
        f"price after {found.free_images:,} free images": f"${found.dollars_after_free:,.2f}",
        "hours at the rate limit": "no limit" if hours is None else f"{hours:,.2f}",
    }
    if not found.free_images:
        del rows[f"price after {found.free_images:,} free images"]
    for label, value in rows.items():
        table.add_row(label, value)
    console.print(table)
    if found.budget is None:
        console.print("No budget set: the collection runs to completion.")
    elif found.shortage is None:
        console.print("The budget covers the whole collection.")
    else:
        covered = f"{found.places_in_budget:,} of {found.places:,} places"
        console.print(f"[yellow]The budget covers only {covered}.[/yellow]")


def _show_spending(status: DatasetStatus) -> None:
    limit = status.budget or Budget()
    table = Table("", "spent", "budget", title=f"{status.spec.name}: {status.headline}")
    images = "no limit" if limit.images is None else f"{limit.images:,}"
    dollars = "no limit" if limit.dollars is None else f"${limit.dollars:,.2f}"
    table.add_row("images", f"{status.images_spent:,}", images)
    table.add_row("US dollars", f"${status.dollars_spent:,.2f}", dollars)
    table.add_row("possibly paid, not stored", f"{status.possibly_paid:,}", "")
    console.print(table)
    if status.is_budget_spent:
        console.print(f"[yellow]Paused: {status.reason}. Places pending: {status.total.pending:,}")
