"""The names by which users call a run: champion, a version number, or the start of its id."""

from euguess.errors import InvalidInput
from euguess.promotion.versions import CHAMPION
from services.trainer.tracking.runs import Tracking
from services.trainer.tracking.versions import Registry


def run_named(name: str, tracking: Tracking, registry: Registry) -> str:
    """Return the id of the run that a name means.

    name: "champion", the number of a version, or the start of a run id that no other run shares.
    Raises InvalidInput.
    """
    if name == CHAMPION:
        return _champion_run(registry)
    version = registry.find_version(name) if name.isdecimal() else None
    return tracking.full_id(name) if version is None else version.run_id


def _champion_run(registry: Registry) -> str:
    champion = registry.champion()
    if champion is None:
        raise InvalidInput(
            "No champion yet. Train and promote a model: `euguess train DATASET --promote`."
        )
    return champion.run_id
