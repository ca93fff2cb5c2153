"""One recipe under a leaky and an honest split."""

from dataclasses import replace

from services.trainer.runs.experiment import Order, Outcome, run_experiment
from services.trainer.session import Session
from services.trainer.splits.splits import SplitProtocol


def run_comparison(order: Order, session: Session) -> tuple[Outcome, Outcome]:
    """Outcomes under the image split and under the recipe's own honest one.

    A recipe that asks for the image split is compared with the location split. Only the honest
    model is registered, and promoted if the order says so.
    """
    recipe = order.recipe
    is_honest = recipe.split.protocol is not SplitProtocol.IMAGE
    honest = recipe if is_honest else recipe.with_protocol(SplitProtocol.LOCATION)
    leaky = recipe.with_protocol(SplitProtocol.IMAGE)
    session.display.note("1 of 2: the leaky split, over images")
    first = replace(order, recipe=leaky, is_registered=False, is_promoted=False)
    found = run_experiment(first, session)
    session.display.note(f"2 of 2: the honest split, by {honest.split.protocol.value}")
    return found, run_experiment(replace(order, recipe=honest), session)
