"""Adding fetchers to a running stack."""

import json

import pytest

from euguess.messages.collection import DatasetSpec
from tests.compose.clients import collect
from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(4000)

COUNTRIES = ("AT", "CZ", "HU", "PT")
# Eight messages of 50 places, so that each of three fetchers with two processes gets some.
SPEC = DatasetSpec(name="second", quotas=dict.fromkeys(COUNTRIES, 100), seed=5)


def stored_by_each(stack: Stack) -> list[int]:
    """Return the number of places that each fetcher stored, by its log."""
    logs = [stack.logs(fetcher).splitlines() for fetcher in stack.running("fetcher")]
    done = f"slots of {SPEC.name} are done"
    return [sum(int(json.loads(line)["stored"]) for line in log if done in line) for log in logs]


def test_three_fetchers_share_a_dataset_and_its_counts_add_up(stack: Stack) -> None:
    stack.run("up", "--detach", "--scale", "fetcher=3")
    stack.wait_until_healthy("fetcher", "sampler")
    assert len(stack.running("fetcher")) == 3
    status = collect(stack, SPEC)
    assert status.total.requested == SPEC.requested
    assert status.total.pending == 0
    assert status.total.failed == 0
    assert status.images == 3 * status.total.stored
    assert sum(counts.stored for counts in status.countries.values()) == status.total.stored
    shares = stored_by_each(stack)
    assert min(shares) > 0
    assert sum(shares) == status.total.stored
