"""Contract tests of every ledger; subclasses run them on the fake and on Redis.

A subclass lives in a module with a fixture `ledger`, or `accounts`.
"""

import inspect

import pytest

from euguess.clock import utc_now
from euguess.collection.budget import BudgetLedger, BudgetSpent, Sum, cost
from euguess.collection.ledger import Lease, Ledger
from euguess.messages.collection import Budget, DeadLetter, SlotKey, SlotOutcome, SlotStatus
from euguess.messages.queues import Queue

FR0, FR1, FR2, FR3 = (SlotKey(country_code="FR", index=index) for index in range(4))
VIEWS = cost(3, 0.007)


def outcome(
    status: SlotStatus, slot: SlotKey = FR0, fence: int = 1, dataset: str = "demo"
) -> SlotOutcome:
    return SlotOutcome(
        dataset=dataset, slot=slot, fence=fence, status=status, finished_at=utc_now()
    )


def letter(reason: str) -> DeadLetter:
    return DeadLetter(source="test", reason=reason, payload={}, at=utc_now())


def inherited_operations(fake: type) -> list[str]:
    """Return public operations that a fake does not implement itself."""
    operations = inspect.getmembers(fake.__mro__[1], inspect.iscoroutinefunction)
    return [name for name, _ in operations if name[0] != "_" and name not in vars(fake)]


class LedgerContract:
    # --- leases ---

    async def test_a_lease_records_whether_a_fetcher_has_begun(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 5}, 60)
        assert await ledger.leases("demo") == {FR0: Lease(5, is_live=True, is_begun=False)}
        assert await ledger.begin("demo", {FR0: 5}, "a", 60)
        assert await ledger.leases("demo") == {FR0: Lease(5, is_live=True, is_begun=True)}
        await ledger.lease("demo", {FR0: 6}, 60)
        assert not (await ledger.leases("demo"))[FR0].is_begun
        assert not await ledger.begin("demo", {FR0: 5}, "a", 60)

    async def test_only_slots_without_a_higher_fence_are_begun(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 5, FR1: 7}, 60)
        assert await ledger.begin("demo", {FR0: 6, FR1: 6}, "a", 60) == {FR0}
        fences = {slot: lease.fence for slot, lease in (await ledger.leases("demo")).items()}
        assert fences == {FR0: 6, FR1: 7}

    @pytest.mark.parametrize("seconds", [0, 60])
    async def test_a_publication_is_begun_by_one_owner_even_after_its_lease_expired(
        self, ledger: Ledger, seconds: float
    ) -> None:
        await ledger.lease("demo", {FR0: 5}, 60)
        assert await ledger.begin("demo", {FR0: 5}, "a", seconds) == {FR0}
        assert await ledger.begin("demo", {FR0: 5}, "b", 60) == set()
        assert await ledger.begin("demo", {FR0: 5}, "a", 60) == {FR0}
        assert await ledger.begin("demo", {FR0: 6}, "b", 60) == {FR0}

    async def test_a_slot_without_a_lease_can_be_begun(self, ledger: Ledger) -> None:
        assert await ledger.begin("demo", {FR0: 1}, "a", 60) == {FR0}

    async def test_fences_are_compared_as_numbers(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 999_999_999_999}, 60)
        assert await ledger.begin("demo", {FR0: 1_000_000_000_000}, "a", 60) == {FR0}

    @pytest.mark.parametrize("seconds", [0, 60])
    async def test_an_owner_renews_its_lease_even_an_expired_one(
        self, ledger: Ledger, seconds: float
    ) -> None:
        await ledger.begin("demo", {FR0: 5}, "a", seconds)
        assert not await ledger.renew("demo", FR0, 5, "b", 60)
        assert await ledger.renew("demo", FR0, 5, "a", 60)
        assert await ledger.leases("demo") == {FR0: Lease(5, is_live=True, is_begun=True)}

    async def test_a_newer_publication_ends_the_renewals(self, ledger: Ledger) -> None:
        await ledger.begin("demo", {FR0: 5}, "a", 60)
        await ledger.lease("demo", {FR0: 6}, 0)
        assert not await ledger.renew("demo", FR0, 5, "a", 60)
        assert await ledger.leases("demo") == {FR0: Lease(6, is_live=False)}

    async def test_a_renewal_takes_back_a_lease_that_redis_has_lost(self, ledger: Ledger) -> None:
        assert await ledger.renew("demo", FR0, 5, "a", 60)
        await ledger.lease("demo", {FR1: 5}, 60)  # as before it was begun
        assert await ledger.renew("demo", FR1, 5, "a", 60)
        lease = Lease(5, is_live=True, is_begun=True)
        assert await ledger.leases("demo") == {FR0: lease, FR1: lease}

    async def test_only_leases_that_nobody_has_begun_are_withdrawn(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 5, FR1: 5, FR2: 9}, 60)
        await ledger.begin("demo", {FR0: 5}, "a", 60)
        wanted = {FR0: 6, FR1: 6, FR2: 6, FR3: 6}
        assert await ledger.withdraw("demo", wanted) == {FR1}
        assert await ledger.begin("demo", {FR1: 5}, "b", 60) == set()
        assert await ledger.renew("demo", FR0, 5, "a", 60)
        assert await ledger.withdraw("demo", {}) == set()

    async def test_an_expired_lease_is_kept_but_not_live(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 5}, 0)
        assert await ledger.leases("demo") == {FR0: Lease(5, is_live=False)}

    async def test_a_dataset_has_a_view_once_something_is_known_of_its_slots(
        self, ledger: Ledger
    ) -> None:
        assert not await ledger.has_view("demo")
        await ledger.lease("demo", {FR0: 5}, 60)
        assert await ledger.has_view("demo")
        await ledger.record(outcome(SlotStatus.STORED, fence=5))
        await ledger.keep_progress("other", FR0, 16, 1)
        assert await ledger.has_view("demo")
        assert await ledger.has_view("other")

    async def test_leases_of_datasets_are_separate(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 5}, 60)
        assert await ledger.leases("other") == {}
        assert await ledger.begin("other", {FR0: 1}, "a", 60)

    # --- outcomes ---

    @pytest.mark.parametrize(("fence", "is_released"), [(4, False), (5, True), (6, True)])
    async def test_a_final_outcome_releases_the_lease_unless_it_is_outdated(
        self, ledger: Ledger, fence: int, is_released: bool
    ) -> None:
        await ledger.lease("demo", {FR0: 5, FR1: 1}, 60)
        await ledger.record(outcome(SlotStatus.STORED, fence=fence))
        assert set(await ledger.leases("demo")) == ({FR1} if is_released else {FR0, FR1})

    @pytest.mark.parametrize("is_known", [True, False])
    async def test_a_publication_that_ended_without_a_final_outcome_is_not_begun_again(
        self, ledger: Ledger, is_known: bool
    ) -> None:
        if is_known:
            await ledger.begin("demo", {FR0: 5}, "a", 60)
        await ledger.record(outcome(SlotStatus.RETRY, fence=5))
        lease = Lease(5, is_live=False, is_begun=True, is_ended=True)
        assert await ledger.leases("demo") == {FR0: lease}
        assert await ledger.begin("demo", {FR0: 5}, "b", 60) == set()
        assert await ledger.begin("demo", {FR0: 6}, "b", 60) == {FR0}

    async def test_a_slot_that_has_ended_is_begun_only_after_a_new_publication(
        self, ledger: Ledger
    ) -> None:
        await ledger.begin("demo", {FR0: 6}, "b", 60)
        await ledger.record(outcome(SlotStatus.STORED, fence=6))
        assert not await ledger.renew("demo", FR0, 5, "a", 60)
        assert await ledger.begin("demo", {FR0: 6, FR1: 6}, "c", 60) == {FR1}
        await ledger.lease("demo", {FR0: 7}, 60)
        assert await ledger.begin("demo", {FR0: 7}, "c", 60) == {FR0}

    async def test_an_outdated_outcome_leaves_the_lease(self, ledger: Ledger) -> None:
        await ledger.lease("demo", {FR0: 6}, 60)
        await ledger.record(outcome(SlotStatus.RETRY, fence=5))
        assert await ledger.leases("demo") == {FR0: Lease(6, is_live=True)}

    async def test_the_first_final_outcome_is_kept_and_all_are_announced(
        self, ledger: Ledger
    ) -> None:
        start = await ledger.last_event()
        retry, stored = outcome(SlotStatus.RETRY), outcome(SlotStatus.STORED, fence=2)
        failed = outcome(SlotStatus.FAILED, fence=3)
        for one in (retry, stored, failed):
            await ledger.record(one)
        assert await ledger.outcomes("demo") == {FR0: stored}
        events = await ledger.events(start, block_ms=1)
        assert [event for _, event in events] == [retry, stored, failed]
        assert events[-1][0] == await ledger.last_event()

    async def test_events_are_read_from_a_position(self, ledger: Ledger) -> None:
        for fence in range(1, 6):
            await ledger.record(outcome(SlotStatus.RETRY, fence=fence))
        first = await ledger.events("0-0", block_ms=1, count=2)
        rest = await ledger.events(first[-1][0], block_ms=1)
        assert [event.fence for _, event in [*first, *rest] if event] == [1, 2, 3, 4, 5]
        assert await ledger.events(rest[-1][0], block_ms=1) == []

    async def test_restored_outcomes_do_not_replace_others_and_are_not_announced(
        self, ledger: Ledger
    ) -> None:
        stored = outcome(SlotStatus.STORED)
        await ledger.record(stored)
        position = await ledger.last_event()
        other = outcome(SlotStatus.FAILED, FR1)
        await ledger.restore([outcome(SlotStatus.FAILED), other])
        assert await ledger.outcomes("demo") == {FR0: stored, FR1: other}
        assert await ledger.last_event() == position

    async def test_progress_is_kept_until_the_dataset_is_forgotten(self, ledger: Ledger) -> None:
        await ledger.keep_progress("demo", FR0, next_candidate=16, failures=2)
        assert await ledger.progress("demo") == {FR0: (16, 2)}
        await ledger.forget("demo")
        assert await ledger.progress("demo") == {}

    async def test_forgetting_the_view_keeps_leases_and_panoramas(self, ledger: Ledger) -> None:
        await ledger.begin("demo", {FR1: 1}, "a", 60)
        await ledger.record(outcome(SlotStatus.STORED))
        await ledger.keep_progress("demo", FR1, next_candidate=16, failures=2)
        await ledger.reserve_panorama("demo", "a", FR1)
        await ledger.forget_view("demo")
        assert await ledger.outcomes("demo") == {}
        assert await ledger.progress("demo") == {}
        assert set(await ledger.leases("demo")) == {FR1}
        assert not await ledger.reserve_panorama("demo", "a", FR0)

    async def test_forgetting_a_dataset_leaves_the_others(self, ledger: Ledger) -> None:
        for dataset in ("demo", "other"):
            await ledger.lease(dataset, {FR1: 1}, 60)
            await ledger.record(outcome(SlotStatus.STORED, FR2, dataset=dataset))
            await ledger.reserve_panorama(dataset, "a", FR0)
        await ledger.forget("demo")
        assert await ledger.leases("demo") == {}
        assert await ledger.outcomes("demo") == {}
        assert await ledger.reserve_panorama("demo", "a", FR1)
        assert set(await ledger.leases("other")) == {FR1}
        assert set(await ledger.outcomes("other")) == {FR2}
        assert not await ledger.reserve_panorama("other", "a", FR1)

    # --- panoramas ---

    async def test_a_panorama_belongs_to_the_first_slot(self, ledger: Ledger) -> None:
        answers = [await ledger.reserve_panorama("demo", "a", slot) for slot in (FR0, FR1, FR0)]
        assert answers == [True, False, True]

    async def test_a_panorama_passes_to_the_next_slot_once_its_slot_ended_without_it(
        self, ledger: Ledger
    ) -> None:
        for location_id in ("a", "b"):
            await ledger.reserve_panorama("demo", location_id, FR0)
        stored = outcome(SlotStatus.STORED).model_copy(update={"location_id": "b"})
        await ledger.record(stored)
        assert await ledger.reserve_panorama("demo", "a", FR1)
        assert not await ledger.reserve_panorama("demo", "b", FR1)
        assert not await ledger.reserve_panorama("demo", "a", FR0)

    # --- pauses, dead letters and Redis itself ---

    async def test_a_provider_is_paused_until_it_is_resumed(self, ledger: Ledger) -> None:
        assert await ledger.paused("google") is None
        await ledger.pause("google", "denied", None)
        await ledger.pause("google", "quota", 60)
        assert await ledger.paused("google") == "quota"
        assert await ledger.paused("simulator") is None
        await ledger.resume("google")
        await ledger.resume("google")
        assert await ledger.paused("google") is None

    async def test_dead_letters_are_listed_newest_first(self, ledger: Ledger) -> None:
        for number in range(3):
            await ledger.bury(letter(f"reason {number}"))
        assert await ledger.dead_letter_count() == 3
        found = await ledger.dead_letters(limit=2)
        assert [one.reason for one in found] == ["reason 2", "reason 1"]

    async def test_an_empty_ledger_has_nothing_queued_and_is_writable(self, ledger: Ledger) -> None:
        await ledger.check_writable()
        assert [await ledger.queued_messages(queue) for queue in Queue] == [0, 0]

    async def test_the_identity_stays_as_long_as_the_data(self, ledger: Ledger) -> None:
        assert await ledger.identity() == await ledger.identity()


async def opened(accounts: BudgetLedger, budget: Budget | None, spent: Sum | None = None) -> None:
    assert await accounts.open("demo", await accounts.prepare("demo"), spent or Sum(), budget)


async def is_reserved(accounts: BudgetLedger, amount: Sum = VIEWS) -> bool:
    try:
        await accounts.reserve("demo", amount)
    except BudgetSpent:
        return False
    return True


class BudgetContract:
    async def test_a_dollar_budget_is_exact_to_the_cent(self, accounts: BudgetLedger) -> None:
        await opened(accounts, Budget(images=1000, dollars=0.063))
        assert [await is_reserved(accounts) for _ in range(4)] == [True, True, True, False]
        with pytest.raises(BudgetSpent, match=r"the budget of \$0\.06 is spent"):
            await accounts.reserve("demo", VIEWS)

    async def test_a_budget_of_images_is_used_to_its_last_image(
        self, accounts: BudgetLedger
    ) -> None:
        await opened(accounts, Budget(images=7))
        assert [await is_reserved(accounts, Sum(3)) for _ in range(3)] == [True, True, False]
        assert await is_reserved(accounts, Sum(1))
        assert await accounts.spent("demo") == Sum(7)

    async def test_a_grant_holds_while_the_account_stays_open(self, accounts: BudgetLedger) -> None:
        await opened(accounts, None)
        assert await accounts.holds("demo", await accounts.reserve("demo", VIEWS))

    async def test_released_amounts_can_be_reserved_again(self, accounts: BudgetLedger) -> None:
        await opened(accounts, Budget(images=3))
        grant = await accounts.reserve("demo", VIEWS)
        await accounts.release("demo", grant, cost(2, 0.007))
        assert await accounts.spent("demo") == cost(1, 0.007)
        assert await is_reserved(accounts, cost(2, 0.007))

    async def test_a_grant_is_void_once_the_account_is_reopened(
        self, accounts: BudgetLedger
    ) -> None:
        await opened(accounts, None)
        grant = await accounts.reserve("demo", VIEWS)
        await opened(accounts, Budget(images=6), spent=VIEWS)
        assert not await accounts.holds("demo", grant)
        await accounts.release("demo", grant, VIEWS)
        assert await accounts.spent("demo") == VIEWS

    async def test_nothing_is_reserved_in_a_closed_account(self, accounts: BudgetLedger) -> None:
        assert await accounts.spent("demo") is None
        assert not await is_reserved(accounts)
        await opened(accounts, None)
        await accounts.close("demo")
        assert await accounts.spent("demo") is None
        assert not await is_reserved(accounts)
        await accounts.cap("demo", Budget(images=9))
        assert await accounts.spent("demo") is None

    async def test_preparing_an_account_closes_it(self, accounts: BudgetLedger) -> None:
        await opened(accounts, None)
        await accounts.prepare("demo")
        assert await accounts.spent("demo") is None

    async def test_an_account_prepared_again_is_not_opened_with_an_older_epoch(
        self, accounts: BudgetLedger
    ) -> None:
        old, new = await accounts.prepare("demo"), await accounts.prepare("demo")
        assert not await accounts.open("demo", old, Sum(), None)
        assert await accounts.open("demo", new, VIEWS, None)
        assert not await accounts.open("demo", new, Sum(), None)

    async def test_a_raised_budget_takes_effect_at_once(self, accounts: BudgetLedger) -> None:
        await opened(accounts, Budget(images=3))
        assert [await is_reserved(accounts) for _ in range(2)] == [True, False]
        await accounts.cap("demo", Budget(images=6))
        assert [await is_reserved(accounts) for _ in range(2)] == [True, False]
        await accounts.cap("demo", None)
        assert await is_reserved(accounts)
