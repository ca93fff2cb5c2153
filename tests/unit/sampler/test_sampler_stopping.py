"""A stopping collection says what is in progress; a wait says for whom, and how long."""

from euguess.cli.datasets import wait_until_stopped
from euguess.clients import SamplerClient
from euguess.collection.budget import Sum
from euguess.messages.collection import DatasetSpec, DatasetState, DatasetStatus
from euguess.terminal.output import counts_table
from tests.support.sampler_fakes import World, always

SPEC = DatasetSpec(name="demo", quotas={"FR": 4})


async def begun() -> World:
    """A collection whose four places a fetcher has begun."""
    world = World()
    world.fetchers.answer = always(None)
    await world.service.create(SPEC)
    await world.round()
    return world


class Replies(SamplerClient):
    """A sampler that gives one status after the other."""

    def __init__(self, *statuses: DatasetStatus) -> None:
        self._statuses = list(statuses)

    def status(self, name: str) -> DatasetStatus:
        return self._statuses.pop(0)


async def test_a_stop_counts_down_to_the_exact_bill_without_a_resumption() -> None:
    world = await begun()
    world.accounts.sums["demo"] = Sum(12)
    stopping = await world.service.stop("demo")
    assert (stopping.state, stopping.headline) == (
        DatasetState.STOPPED,
        "stopping: 4 in progress",
    )
    for dataset, request in world.fetchers.begun:
        await world.fetchers.finish(dataset, request)
    world.accounts.sums["demo"] = Sum(15)
    await world.controller.round()
    stopped = world.status()
    assert (stopped.headline, stopped.images_spent) == ("complete", 15)
    assert wait_until_stopped(Replies(stopped), stopping) == stopped


async def test_the_wait_for_a_stop_does_not_last_as_long_as_a_lost_fetcher() -> None:
    world = await begun()
    stopping = await world.service.stop("demo")
    assert wait_until_stopped(Replies(), stopping, seconds=0) == stopping


async def test_the_lease_of_a_killed_fetcher_is_named_with_its_end() -> None:
    world = await begun()
    await world.controller.round()
    assert world.status().awaited is None
    world.wait(100)
    await world.fetchers.renew(*world.fetchers.begun[0])
    await world.controller.round()
    status = world.status()
    assert (status.in_progress, status.silent) == (4, 3)
    assert 15 < status.silent_seconds <= 20
    assert "3 places wait for a fetcher" in str(counts_table(status).caption)
    world.wait(30)
    await world.controller.round()
    assert world.status().silent == 0
