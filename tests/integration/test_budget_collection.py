"""A collection under a budget: real sampler, fetchers, simulator, Redis and S3."""

import pytest
from redis import Redis

from euguess.errors import DatasetConflict
from euguess.messages.collection import Budget, DatasetState, DatasetStatus
from tests.support.fetcher_rig import SPEC, Rig, image_keys
from tests.support.sampler_process import is_complete, running_sampler, wait_for

pytestmark = pytest.mark.timeout(240)

CAPPED = SPEC.model_copy(update={"quotas": {"FR": 20, "PL": 20}, "budget": Budget(images=62)})


def is_spent(status: DatasetStatus) -> bool:
    return status.is_budget_spent and status.images_spent >= status.images > 0


async def test_a_budget_pauses_a_collection_until_it_is_raised(rig: Rig) -> None:
    with running_sampler(rig) as client, rig.worker(), rig.worker():
        client.create(CAPPED)
        assert client.create(CAPPED).spec == CAPPED
        with pytest.raises(DatasetConflict):
            client.create(CAPPED.model_copy(update={"budget": None}))
        paused = await wait_for(client, lambda s: is_spent(s) and s.total.stored >= 20)
        assert (paused.total.stored, paused.total.pending) == (20, 20)
        assert (paused.state, paused.images_spent) == (DatasetState.PAUSED, 60)
        assert paused.reason == "the budget of 62 images is spent"
        assert rig.counters()["billed_images"] == 60
        client.set_budget(SPEC.name, Budget(images=1000))
        done = await wait_for(client, is_complete)
    assert (done.total.stored, done.budget) == (40, Budget(images=1000))
    assert rig.counters()["billed_images"] == 120


async def test_a_flushed_redis_and_a_restarted_sampler_do_not_raise_the_budget(rig: Rig) -> None:
    with rig.worker(), rig.worker():
        with running_sampler(rig) as client:
            client.create(CAPPED)
            await wait_for(client, lambda status: status.total.stored >= 3)
            with Redis.from_url(rig.redis_url) as redis:
                redis.flushall()
            await wait_for(client, is_spent)
        with running_sampler(rig) as client:
            paused = await wait_for(client, is_spent)
    assert paused.total.pending >= 20
    assert 0 < rig.counters()["billed_images"] <= paused.images_spent <= 62
    assert len(await image_keys(await rig.open_store())) <= 62
