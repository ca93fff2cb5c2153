"""Quote the cost of a collection from its specification."""

from math import ceil

from pydantic import Field

from euguess.collection.budget import Sum, cost, shortage
from euguess.collection.providers import TARIFFS, tariff
from euguess.errors import InvalidInput
from euguess.messages.collection import (
    MAX_SLOTS_PER_MESSAGE,
    Budget,
    DatasetSpec,
)
from euguess.messages.records import Record

SECONDS_PER_HOUR = 3600


class Quote(Record):
    """Output of `euguess dataset plan`; assumes that every place is found."""

    provider: str
    countries: int
    places: int
    images: int
    messages: int = Field(description="Messages of up to 50 places, without retries")
    dollars: float = Field(description="At list price, as the budget counts it")
    free_images: int = Field(description="Free images, if none was bought this month")
    dollars_after_free: float
    hours_at_rate_limit: float | None = Field(
        description="Minimum: one look-up per place and its images; None without a rate limit"
    )
    budget: Budget | None
    shortage: str | None = Field(description="Why the budget is too small")
    places_in_budget: int


def quote(spec: DatasetSpec) -> Quote:
    """Price all places of a dataset by the provider's list price. Raises InvalidInput."""
    if spec.provider not in TARIFFS:
        known = ", ".join(TARIFFS)
        raise InvalidInput(
            f"No price is known for the provider {spec.provider!r}; use one of {known}."
        )
    prices, views = tariff(spec.provider), len(spec.headings)
    images = spec.requested * views
    total, rate = cost(images, prices.dollars_per_image), prices.requests_per_second
    free = min(images, prices.free_images_a_month)
    calls = images + spec.requested
    return Quote(
        provider=spec.provider,
        countries=len(spec.quotas),
        places=spec.requested,
        images=images,
        messages=ceil(spec.requested / MAX_SLOTS_PER_MESSAGE),
        dollars=total.dollars,
        free_images=free,
        dollars_after_free=cost(images - free, prices.dollars_per_image).dollars,
        hours_at_rate_limit=None if rate is None else calls / rate / SECONDS_PER_HOUR,
        budget=spec.budget,
        shortage=shortage(spec.budget, Sum(), total),
        places_in_budget=_places_in_budget(spec, cost(views, prices.dollars_per_image)),
    )


def _places_in_budget(spec: DatasetSpec, place: Sum) -> int:
    """Find the most places that fit by bisection, since a budget has two caps."""
    fit, too_many = 0, spec.requested + 1
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        amount = Sum(middle * place.images, middle * place.micros)
        if shortage(spec.budget, Sum(), amount) is None:
            fit = middle
        else:
            too_many = middle
    return fit
