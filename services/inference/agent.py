"""Follows the registry's champion: loads it beside the served version, tries it, switches over."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from euguess.errors import EUGuessError, ServiceUnavailable
from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import Prediction
from services.inference.archive import ArchiveOptions, build_archive, is_up_to_date, read_card
from services.inference.classifier import RequestRejected, load_classifier
from services.inference.golden import golden_photo
from services.inference.model_package import InvalidModel
from services.inference.model_store import ModelStore
from services.inference.readiness import TorchServe
from services.inference.registry import Champion, Registry

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
GOLDEN_TOLERANCE = 0.02  # between backends, of a probability

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """How the agent works."""

    poll_seconds: float = 5.0
    archive: ArchiveOptions = field(default_factory=ArchiveOptions)


class Agent:
    """Each step brings the served version one champion further; repeating one is harmless."""

    def __init__(
        self, registry: Registry, torchserve: TorchServe, store: ModelStore, options: AgentOptions
    ) -> None:
        self._registry = registry
        self._server = torchserve.management
        self._inference = torchserve.inference
        self._store = store
        self._options = options
        self._refused: set[Champion] = set()

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Follow the champion for ever; troubles are logged, and tried again with back-off."""
        troubles: list[str] = []
        while True:
            try:
                self.step()
                troubles = []
            except (EUGuessError, OSError) as error:
                if str(error) not in troubles:
                    log.warning("%s Trying again.", error, extra={"action": "agent_retry"})
                troubles.append(str(error))
            sleep(pause_seconds(len(troubles), self._options.poll_seconds))

    def step(self) -> None:
        """Serve the version served last, if none is served, and then the champion.

        Raises ServiceUnavailable; the next step resumes the work.
        """
        self._resume()
        champion = self._registry.champion()
        if champion is None or champion in self._refused:
            return
        if self._is_served(champion):
            self._retire_others(champion)
            return
        try:
            self._follow(champion)
        except InvalidModel as reason:
            self._refuse(champion, reason)

    def _resume(self) -> None:
        current = self._store.current()
        if current is None or current.served_version in self._server.versions():
            return
        if not self._store.holds(current):
            return
        try:
            self._renew(current)
            self._activate(current)
        except InvalidModel as reason:
            self._refuse(current, reason)

    def _is_served(self, champion: Champion) -> bool:
        is_default = self._server.default_version() == champion.served_version
        return is_default and self._store.current() == champion

    def _follow(self, champion: Champion) -> None:
        if self._store.holds(champion):
            self._renew(champion)
        else:
            self._fetch(champion)
        self._activate(champion)

    def _fetch(self, champion: Champion) -> None:
        """Download, verify and archive a version."""
        with self._store.scratch() as scratch:
            package = self._registry.download(champion, scratch)
            stamp_version(package, champion.version)
            self._archive(package, champion)

    def _renew(self, champion: Champion) -> None:
        """Build an archive of other code or options anew, from the model that it holds."""
        path = self._store.path(champion)
        if is_up_to_date(path, self._options.archive):
            return
        with self._store.scratch() as scratch:
            package = path.rename(scratch / "package")
            self._archive(package, champion)

    def _archive(self, package: Path, champion: Champion) -> None:
        path = self._store.path(champion)
        build_archive(package, path, self._options.archive, champion.served_version)

    def _activate(self, champion: Champion) -> None:
        """Load, try, switch, and only then let the old versions go."""
        version = champion.served_version
        expected = golden_answer(self._store.path(champion))
        if version not in self._server.versions():
            self._server.register(champion.folder)
        try:
            self._server.wait_ready(version)
        except ServiceUnavailable:
            self._server.unregister(version)
            raise
        _compare(self._inference.predict([golden_photo()], version), expected)
        self._server.set_default(version)
        log.info("Version %s is served now.", champion.version, extra={"action": "model_served"})
        self._store.make_current(champion)
        self._retire_others(champion)

    def _retire_others(self, champion: Champion) -> None:
        for version in self._server.versions():
            if version != champion.served_version:
                self._server.retire(version)

    def _refuse(self, champion: Champion, reason: InvalidModel) -> None:
        """Leave what is served as it is; this process does not try the version again."""
        log.error(
            "Version %s is refused: %s The version before it stays.",
            champion.version,
            reason,
            extra={"action": "model_refused"},
        )
        self._refused.add(champion)
        self._server.unregister(champion.served_version)
        self._store.discard(champion)


def pause_seconds(failures: int, poll_seconds: float) -> float:
    """Pause after a number of failures in a row: short at first, then doubled up to a minute."""
    if failures == 0:
        return poll_seconds
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** (failures - 1), MAX_BACKOFF_SECONDS)


def stamp_version(package: Path, version: str) -> None:
    """Write the registry's version into a package's card. Raises InvalidModel when it is bad."""
    card = read_card(package).model_copy(update={"version": version})
    (package / "model.json").write_text(card.model_dump_json(indent=2))


def golden_answer(package: Path) -> Prediction:
    """What a package answers to the golden photo in this process. Raises InvalidModel."""
    try:
        answer = load_classifier(package, decode_photo).predict([golden_photo()])
    except RequestRejected as reason:
        raise InvalidModel(f"The model rejects a good photo: {reason}") from None
    return Prediction.model_validate(answer)


def _compare(served: Prediction, expected: Prediction) -> None:
    served_probability = served.probabilities.get(expected.country_code, 0.0)
    difference = abs(served_probability - expected.probability)
    if difference > GOLDEN_TOLERANCE:
        raise InvalidModel("It answers a known photo otherwise when it is served.")
