"""Follows the registry's champion: loads a new version, tests it, and switches to it."""

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
from services.inference.model_registry import Champion, ModelRegistry
from services.inference.model_store import ModelStore
from services.inference.readiness import TorchServe

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
GOLDEN_TOLERANCE = 0.02  # of a probability, between backends

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """Options of the agent."""

    poll_seconds: float = 5.0
    archive: ArchiveOptions = field(default_factory=ArchiveOptions)


class Agent:
    """Serves the champion, step by step; a step can be repeated at any time."""

    def __init__(
        self,
        registry: ModelRegistry,
        torchserve: TorchServe,
        store: ModelStore,
        options: AgentOptions,
    ) -> None:
        self._registry = registry
        self._server = torchserve.management
        self._inference = torchserve.inference
        self._store = store
        self._options = options
        self._rejected: set[Champion] = set()

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Follow the champion forever; log failures and retry with back-off."""
        failures: list[str] = []
        while True:
            try:
                self.step()
                failures = []
            except (EUGuessError, OSError) as error:
                if str(error) not in failures:
                    log.warning("%s Retrying.", error, extra={"action": "agent_retry"})
                failures.append(str(error))
            sleep(pause_seconds(len(failures), self._options.poll_seconds))

    def step(self) -> None:
        """Serve the last served version if none is served, then the champion.

        Raises ServiceUnavailable; the next step resumes the work.
        """
        self._resume()
        champion = self._registry.champion()
        if champion is None or champion in self._rejected:
            return
        if self._is_served(champion):
            self._retire_others(champion)
            return
        try:
            self._follow(champion)
        except InvalidModel as reason:
            self._reject(champion, reason)

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
            self._reject(current, reason)

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
        """Rebuild an archive that has other code or options, from the model inside it."""
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
        """Load and test a version, switch to it, and only then remove the others."""
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
        log.info("Now serving version %s.", champion.version, extra={"action": "model_served"})
        self._store.make_current(champion)
        self._retire_others(champion)

    def _retire_others(self, champion: Champion) -> None:
        for version in self._server.versions():
            if version != champion.served_version:
                self._server.retire(version)

    def _reject(self, champion: Champion, reason: InvalidModel) -> None:
        """Keep the served version; this process does not try the rejected one again."""
        log.error(
            "Version %s was rejected: %s The previous version stays in use.",
            champion.version,
            reason,
            extra={"action": "model_refused"},
        )
        self._rejected.add(champion)
        self._server.unregister(champion.served_version)
        self._store.discard(champion)


def pause_seconds(failures: int, poll_seconds: float) -> float:
    """Return the pause after consecutive failures: short at first, then doubled up to a minute."""
    if failures == 0:
        return poll_seconds
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** (failures - 1), MAX_BACKOFF_SECONDS)


def stamp_version(package: Path, version: str) -> None:
    """Write the registry's version into a package's card. Raises InvalidModel."""
    card = read_card(package).model_copy(update={"version": version})
    (package / "model.json").write_text(card.model_dump_json(indent=2))


def golden_answer(package: Path) -> Prediction:
    """Predict the golden photo with a package in this process. Raises InvalidModel."""
    try:
        answer = load_classifier(package, decode_photo).predict([golden_photo()])
    except RequestRejected as reason:
        raise InvalidModel(f"The model rejects a good photo: {reason}") from None
    return Prediction.model_validate(answer)


def _compare(served: Prediction, expected: Prediction) -> None:
    served_probability = served.probabilities.get(expected.country_code, 0.0)
    difference = abs(served_probability - expected.probability)
    if difference > GOLDEN_TOLERANCE:
        raise InvalidModel("TorchServe and this process predict a known photo differently.")
