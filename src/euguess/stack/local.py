"""`euguess up`: the full stack as local processes."""

import contextlib
from collections.abc import Iterator
from functools import partial

from euguess.errors import ServiceUnavailable
from euguess.process.ports import require_free
from euguess.settings import StoreSettings
from euguess.stack.plan import StackPlan
from euguess.stack.state import (
    end_stack,
    publish_addresses,
    record_processes,
    remove_state,
    running_stack,
    stack_troubles,
)
from euguess.stack.supervised import Announce
from euguess.stack.supervisor import Supervisor, supervised
from euguess.storage.s3 import SCHEME as S3_SCHEME


@contextlib.contextmanager
def local_stack(plan: StackPlan, announce: Announce) -> Iterator[Supervisor]:
    """Run the stack while the block runs, and leave no process behind."""
    supervising = running_stack(plan.home)
    if supervising is not None:
        raise ServiceUnavailable(_already_running(plan, supervising))
    if end_stack(plan.home):
        announce("stopped the leftovers of an earlier stack")
    require_free("the stack (see --port-base)", plan.ports)
    supervisor = Supervisor(plan.home / "logs", announce, partial(record_processes, plan.home))
    try:
        _prepare_store(plan, announce)
        with supervised(supervisor, [plan.stores, plan.services]):
            publish_addresses(plan.home, plan.variables())
            yield supervisor
    finally:
        remove_state(plan.home)


def _already_running(plan: StackPlan, supervising: int) -> str:
    what = f"A stack is already running in {plan.home} (process {supervising})."
    troubles = "".join(
        f" {name}: {trouble}." for name, trouble in stack_troubles(plan.home).items()
    )
    if not troubles:
        return f"{what} Stop it: euguess down"
    return f"{what}{troubles} To restart it: euguess down, then euguess up"


def _prepare_store(plan: StackPlan, announce: Announce) -> None:
    """Bring the objects of an earlier version into the home's store; create a configured bucket."""
    from euguess.stack.earlier_store import move_earlier_store  # loads minio
    from euguess.storage.administration import ensure_bucket

    move_earlier_store(plan.home, plan.credentials, announce)
    settings = StoreSettings.load()
    if settings.store_url.startswith(S3_SCHEME):
        announce(f"using the store {settings.store_url}")
        ensure_bucket(settings)
