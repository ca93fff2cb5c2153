"""A slot that kills every worker process that works on it."""

import logging
import sys
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.fetcher_rig import SPEC, Rig
from tests.support.sampler_process import is_complete, running_sampler, wait_for

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.timeout(240)

POISONED = """
import asyncio, os, signal
from services.fetcher.slot import SlotFetcher
from services.fetcher.worker import run_worker
run = SlotFetcher.run
async def poisoned(self):
    if str(self._slot) == "FR/1":
        await asyncio.sleep(0.5)  # the other slots of the message have begun
        os.kill(os.getpid(), signal.SIGKILL)
    return await run(self)
SlotFetcher.run = poisoned
run_worker(1)
"""
FIVE = SPEC.model_copy(update={"quotas": {"FR": 3, "PL": 2}})


async def test_a_slot_that_kills_its_workers_ends_as_failed_and_the_others_are_stored(
    rig: Rig,
) -> None:
    rig = replace(rig, settings={"EUGUESS_MAX_FAILURES": "2"})
    rig.faults({"mode": "slow", "endpoint": "image", "seconds": 1})
    command = [sys.executable, "-c", POISONED]
    with rig.worker(command=command), running_sampler(rig) as client:
        client.create(FIVE)
        done = await wait_for(client, is_complete)
        letters = client.dead_letters()
    assert (done.total.stored, done.total.failed) == (4, 1)
    assert done.failures == {"worker lost (2 attempts)": 1}
    assert Counter(letter.reason for letter in letters) == {"worker lost (2 attempts)": 1}
    billed = rig.counters()["billed_images"]
    logger.info("billed %d, stored 12, counted %d", billed, done.images_spent)
    assert 12 <= billed <= done.images_spent
