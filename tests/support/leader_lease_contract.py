"""Contract test of the lease of the leading sampler, on the fake and on Redis.

A subclass lives in a module with a fixture `lease`.
"""

from services.sampler.leadership import LeaderLease


class LeaderLeaseContract:
    async def test_the_first_sampler_leads_and_renews(self, lease: LeaderLease) -> None:
        assert await lease.claim("first", 60) == ("first", "")
        assert await lease.claim("first", 60) == ("first", "first")

    async def test_another_sampler_waits_until_the_lease_expires(self, lease: LeaderLease) -> None:
        await lease.claim("first", 60)
        assert await lease.claim("second", 60) == ("first", "first")
        await lease.claim("first", 0)
        assert await lease.claim("second", 60) == ("second", "first")

    async def test_a_sampler_learns_whether_another_one_has_led_since(
        self, lease: LeaderLease
    ) -> None:
        await lease.claim("first", 0)
        assert await lease.claim("first", 0) == ("first", "first")
        await lease.claim("second", 0)
        assert await lease.claim("first", 60) == ("first", "second")

    async def test_only_the_leader_can_give_up_the_lead(self, lease: LeaderLease) -> None:
        await lease.claim("first", 60)
        await lease.release("second")
        assert await lease.claim("second", 60) == ("first", "first")
        await lease.release("first")
        assert await lease.claim("second", 60) == ("second", "first")
