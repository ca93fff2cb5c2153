"""Composition root of the sampler: reads settings and opens connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from euguess.collection.budget import BudgetLedger
from euguess.collection.ledger import Ledger
from euguess.collection.redis_connection import open_redis
from euguess.geography.boundaries import load_boundaries
from euguess.settings import RedisSettings, SamplerSettings, StoreSettings
from euguess.storage import open_store
from services.sampler.app import create_app
from services.sampler.budgets import Budgets
from services.sampler.candidates import SlotCandidates
from services.sampler.controller import CollectionController, Limits
from services.sampler.publisher import CeleryPublisher, SlotPublisher
from services.sampler.recovery import recover
from services.sampler.service import SamplerService


async def build_app() -> FastAPI:
    """Build the application with real parts. Raises StoreUnavailable, or Redis's errors."""
    redis_url = RedisSettings.load().redis_url.get_secret_value()
    settings = SamplerSettings.load()
    store = await open_store(StoreSettings.load())
    redis = open_redis(redis_url)
    ledger, budgets = Ledger(redis), Budgets(store, BudgetLedger(redis))
    candidates = SlotCandidates(load_boundaries())
    limits = Limits(
        outstanding=settings.outstanding_limit,
        max_failures=settings.max_failures,
        reconcile_seconds=settings.reconcile_seconds,
    )
    publisher = CeleryPublisher(redis_url)
    slot_publisher = SlotPublisher(ledger, publisher, candidates, settings.lease_seconds)
    controller = CollectionController(store, ledger, slot_publisher, budgets, limits)
    await recover(store, ledger, budgets, controller)
    service = SamplerService(store, ledger, budgets, controller, candidates)

    @contextlib.asynccontextmanager
    async def collecting(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.create_task(controller.run())
        yield
        await _end(loop)

    return create_app(service, publisher, collecting)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: before Python 3.12 `asyncio.wait_for`, which redis-py uses to
    send, can swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)
