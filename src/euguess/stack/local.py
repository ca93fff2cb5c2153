"""`euguess up`: the full stack as local processes."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import SecretStr

from euguess.errors import ServiceUnavailable
from euguess.process.ports import require_free
from euguess.settings import StoreSettings
from euguess.stack.plan import BUCKET, StackPlan
from euguess.stack.processes import ServerSpec
from euguess.stack.state import (
    end_stack,
    publish_addresses,
    record_processes,
    remove_state,
    running_stack,
)
from euguess.stack.supervised import Announce
from euguess.stack.supervisor import Supervisor, supervised


@contextlib.contextmanager
def local_stack(plan: StackPlan, announce: Announce) -> Iterator[Supervisor]:
    """Run the stack while the block runs, and leave no process behind."""
    supervising = running_stack(plan.home)
    if supervising is not None:
        raise ServiceUnavailable(
            f"A stack is already running in {plan.home} (process {supervising}). "
            "Stop it: euguess down"
        )
    if end_stack(plan.home):
        announce("stopped the leftovers of an earlier stack")
    require_free("the stack (see --port-base)", plan.ports)
    supervisor = Supervisor(plan.home / "logs", announce, partial(record_processes, plan.home))
    try:
        with supervised(supervisor, [plan.stores, partial(_services, plan)]):
            publish_addresses(plan.home, plan.variables())
            yield supervisor
    finally:
        remove_state(plan.home)


def _services(plan: StackPlan) -> Sequence[ServerSpec]:
    from euguess.storage.administration import ensure_bucket  # loads minio

    ensure_bucket(
        StoreSettings(
            store_url=f"s3://{BUCKET}",
            s3_endpoint=plan.s3.endpoint,
            s3_access_key=plan.s3.access_key,
            s3_secret_key=SecretStr(plan.s3.secret_key.get_secret_value()),
        )
    )
    return plan.services()
