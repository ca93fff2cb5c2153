"""Composition root of the sampler: reads settings and opens connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from fastapi import FastAPI

from euguess.access.policy import access_policy
from euguess.collection.budget import BudgetLedger
from euguess.collection.ledger import Ledger
from euguess.collection.redis_connection import open_redis
from euguess.geography.boundaries import load_boundaries
from euguess.process.exits import exit_after
from euguess.settings import AccessSettings, RedisSettings, SamplerSettings, StoreSettings
from euguess.storage import open_store
from services.sampler.app import create_app
from services.sampler.budgets import Budgets
from services.sampler.candidates import SlotCandidates
from services.sampler.controller import CollectionController, Limits
from services.sampler.duty import Duty, end_task
from services.sampler.leadership import LeaderLease, Leadership, sampler_name
from services.sampler.manifests import ManifestWriter
from services.sampler.publisher import CeleryPublisher, SlotPublisher
from services.sampler.recovery import recover
from services.sampler.service import SamplerService
from services.sampler.trainings import Trainings

END_SECONDS = 5.0  # for the orderly end after the last request


async def build_app(host: str) -> FastAPI:
    """Build the application with real parts, for a server that listens on `host`.

    Raises InvalidInput, StoreUnavailable or Redis's errors.
    """
    policy = access_policy(AccessSettings.load(), host)
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
        lease_seconds=settings.lease_seconds,
    )
    publisher = CeleryPublisher(redis_url)
    slot_publisher = SlotPublisher(ledger, publisher, candidates, settings.lease_seconds)
    leadership = Leadership(LeaderLease(redis), sampler_name())
    controller = CollectionController(
        store,
        ledger,
        slot_publisher,
        budgets,
        limits,
        may_publish=lambda: leadership.is_held,
        tend_complete=ManifestWriter(store).tend,
    )
    duty = Duty(
        leadership,
        restore=partial(recover, store, ledger, budgets, controller),
        collect=controller.run,
        drop=controller.clear,
    )
    await duty.begin()
    service = SamplerService(store, ledger, budgets, controller, candidates, duty)
    trainings = Trainings(service, publisher, settings.training_queue_limit)

    @contextlib.asynccontextmanager
    async def on_duty(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.create_task(duty.run())
        yield
        exit_after(END_SECONDS)  # Redis may hang
        await end_task(loop)
        await duty.end()

    return create_app(service, trainings, policy, on_duty)
