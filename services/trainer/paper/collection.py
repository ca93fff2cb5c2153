"""Collect the study's places and its renewal set before the experiments, if they are not stored."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from euguess.collection.datasets import stored_status
from euguess.collection.providers import ProviderName
from euguess.collection.quote import Quote, quote
from euguess.errors import DatasetNotFound, InvalidInput
from euguess.geography.countries import EU32
from euguess.messages.collection import Budget, DatasetSpec, DatasetState, DatasetStatus
from euguess.settings import StoreSettings
from euguess.storage import open_store
from euguess.training.study_facts import RENEWAL_QUOTAS
from services.trainer.progress import ProgressDisplay

STUDY_NAME, RENEWAL_NAME = "study", "study-renewal"
STUDY_SEED, RENEWAL_SEED = 0, 1
POLL_SECONDS = 0.5
DONE = (DatasetState.COMPLETE, DatasetState.IMPORTED)
ACTIVE = (DatasetState.COLLECTING, DatasetState.PAUSED)


@dataclass(frozen=True)
class Needed:
    """A dataset that the experiments need, and how to collect it if it does not exist."""

    spec: DatasetSpec
    is_named: bool  # by the user, so that it may be misspelt or incomplete on purpose


class Sampler(Protocol):
    """What the collection needs of the sampler's client."""

    def create(self, spec: DatasetSpec) -> DatasetStatus: ...

    def status(self, name: str) -> DatasetStatus: ...


@dataclass(frozen=True)
class Sources:
    """Provider, and the most places per country (None: as in the study)."""

    provider: str = ProviderName.SIMULATOR
    per_country: int | None = None

    def study(self, name: str | None) -> Needed:
        """Return the study's places; without a name, under the usual one."""
        quotas = {country.code: country.quota for country in EU32}
        return Needed(self._spec(name or STUDY_NAME, quotas, STUDY_SEED), name is not None)

    def renewal(self, name: str | None) -> Needed:
        """Return new places in the proportions of the study's renewal set."""
        return Needed(
            self._spec(name or RENEWAL_NAME, RENEWAL_QUOTAS, RENEWAL_SEED), name is not None
        )

    def _spec(self, name: str, quotas: dict[str, int], seed: int) -> DatasetSpec:
        most = self.per_country or max(quotas.values())
        limited = {code: min(quota, most) for code, quota in quotas.items()}
        try:
            spec = DatasetSpec(name=name, quotas=limited, provider=self.provider, seed=seed)
        except ValidationError as error:
            reasons = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise InvalidInput(f"The dataset {name!r} cannot exist. {reasons}.") from None
        if quote(spec).dollars:  # never pay for more than the plan says
            spec = spec.model_copy(update={"budget": Budget(images=quote(spec).images)})
        return spec


@dataclass(frozen=True)
class Plan:
    """What is left to collect of a dataset."""

    spec: DatasetSpec
    quote: Quote
    status: DatasetStatus | None  # None: the dataset does not exist
    is_named: bool

    @property
    def needs_consent(self) -> bool:
        """Whether it starts to spend money, or changes a dataset that the user named."""
        is_active = self.status is not None and self.status.state in ACTIVE
        return not is_active and (self.quote.dollars > 0 or self.is_named)

    @property
    def text(self) -> str:
        """The plan in one line."""
        found = self.quote
        price = f"USD {found.dollars:,.2f} at list price" if found.dollars else "free"
        what = "Collect" if self.status is None else "Complete"
        hours = found.hours_at_rate_limit
        least = "" if hours is None else f", at least {hours:.1f} h"
        return (
            f"{what} {self.spec.name}: {found.places:,} places in {found.countries} countries, "
            f"{found.images:,} photos from {found.provider}, {price}{least}"
        )


@dataclass(frozen=True)
class Collector:
    """Completes datasets by the sampler. confirm asks the user, and raises if the answer is no."""

    sampler: Sampler
    display: ProgressDisplay
    confirm: Callable[[], None]
    sleep: Callable[[float], None] = time.sleep

    def complete(self, needed: Sequence[Needed]) -> None:
        """Show what is missing, start or resume its collection, and wait for it.

        Raises InvalidInput if a collection stops before it is complete.
        """
        plans = [plan for each in needed if (plan := self._plan(each)) is not None]
        for plan in plans:
            self.display.note(plan.text)
        if any(plan.needs_consent for plan in plans):
            self.confirm()
        for plan in plans:
            self.sampler.create(plan.spec)
        for plan in plans:
            self._wait(plan.spec.name)

    def _plan(self, needed: Needed) -> Plan | None:
        try:
            status = self.sampler.status(needed.spec.name)
        except DatasetNotFound:
            return Plan(needed.spec, quote(needed.spec), None, needed.is_named)
        if status.state in DONE:
            return None
        pending = {code: n.pending for code, n in status.countries.items() if n.pending}
        if not pending:
            return None
        rest = quote(status.spec.model_copy(update={"quotas": pending}))
        return Plan(status.spec, rest, status, needed.is_named)

    def _wait(self, name: str) -> None:
        with self.display.bar(f"Collecting {name}") as show:
            status = self.sampler.status(name)
            while status.state in ACTIVE and not status.is_budget_spent:
                show(status.total.requested - status.total.pending, status.total.requested)
                self.sleep(POLL_SECONDS)
                status = self.sampler.status(name)
        if status.is_budget_spent:
            raise InvalidInput(
                f"The collection of {name} is paused: {status.reason}. Raise its budget with "
                f"`euguess dataset budget {name} --images N`, then run this again."
            )
        if status.state not in DONE:
            raise InvalidInput(
                f"The collection of {name} was stopped with {status.total.pending:,} places to "
                "go. Run this again to resume it, or add --no-collect to use what is stored."
            )


def require_complete(needed: Sequence[Needed], settings: StoreSettings) -> None:
    """Check the stored datasets where no stack can collect any.

    Raises DatasetNotFound for a missing and InvalidInput for an incomplete one.
    """
    for each in needed:
        asyncio.run(_require(each.spec.name, settings))


async def _require(name: str, settings: StoreSettings) -> None:
    try:
        status = await stored_status(await open_store(settings), name)
    except DatasetNotFound:
        raise DatasetNotFound(
            f"Dataset {name!r} does not exist, and no stack is running that could collect it. "
            "Start one with `euguess up` in a second terminal, then run this again."
        ) from None
    if status.state not in DONE and status.total.pending:
        raise InvalidInput(
            f"Dataset {name!r} has {status.total.stored:,} of {status.total.requested:,} places, "
            "and no stack is running that could collect the rest. Start one with `euguess up` in "
            "a second terminal, then run this again, or add --no-collect to use what is stored."
        )
