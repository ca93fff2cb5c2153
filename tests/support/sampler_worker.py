"""A Celery worker that handles FetchLocations by a script, with the real ledger and store.

Run as `python -m tests.support.sampler_worker SCRIPT`; EUGUESS_* variables name the servers. SCRIPT
is a rule for a slot's index: "stored", "exhausted", or "retry:7" (index 7 always fails).
"""

import asyncio
import secrets
import sys

from celery import Celery
from redis.asyncio import Redis

from euguess.collection.layout import slot_key
from euguess.collection.ledger import Ledger
from euguess.messages.collection import (
    FetchLocations,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.messages.queues import Queue, TaskName
from euguess.settings import RedisSettings, SamplerSettings, StoreSettings
from euguess.storage import ObjectStore, open_store
from tests.support.sampler_fakes import outcome_of

WORK_SECONDS = 0.02  # for a slot, so that a collection lasts long enough to be disturbed


def scripted(script: str, request: SlotRequest) -> SlotStatus:
    status, _, index = script.partition(":")
    return SlotStatus(status) if index in ("", str(request.slot.index)) else SlotStatus.STORED


async def work(script: str, text: str, store: ObjectStore) -> None:
    message = FetchLocations.model_validate_json(text)
    async with Redis.from_url(RedisSettings.load().redis_url.get_secret_value()) as redis:
        for request in message.slots:
            await _work_on(script, message.dataset, request, store, Ledger(redis))


async def _work_on(
    script: str, dataset: str, request: SlotRequest, store: ObjectStore, ledger: Ledger
) -> None:
    seconds, fences = SamplerSettings.load().lease_seconds, {request.slot: request.fence}
    if not await ledger.begin(dataset, fences, secrets.token_hex(8), seconds):
        return
    await asyncio.sleep(WORK_SECONDS)
    outcome = outcome_of(dataset, request, scripted(script, request))
    key = slot_key(dataset, request.slot)
    if outcome.status.is_final and not await store.create(key, outcome.model_dump_json().encode()):
        outcome = SlotOutcome.model_validate_json(await store.get(key))
    await ledger.record(outcome)


def main(script: str) -> None:
    store = asyncio.run(open_store(StoreSettings.load()))
    celery = Celery("test", broker=RedisSettings.load().redis_url.get_secret_value())
    celery.conf.update(
        accept_content=["json"],
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 20},
    )

    @celery.task(name=TaskName.FETCH_LOCATIONS, ignore_result=True)  # type: ignore[untyped-decorator] # celery has no types
    def fetch_locations(text: str) -> None:
        asyncio.run(work(script, text, store))

    celery.worker_main(["worker", "--pool=threads", "-c4", "-Q", Queue.FETCH, "--loglevel=WARNING"])


if __name__ == "__main__":
    main(sys.argv[1])
