"""Client of TorchServe's management port."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from euguess.clients.http import Client, reason
from euguess.clients.inference import read_token
from euguess.errors import ServiceUnavailable
from euguess.promotion.versions import REGISTERED_MODEL

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.25


class TorchServeFailed(ServiceUnavailable):
    """TorchServe does not answer; start the stack with `euguess up`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each part of a version change may take, in seconds."""

    ready: float = 180.0  # a worker imports torch first, which takes long on a busy machine
    drained: float = 30.0
    # Deleting the old version right after the switch failed 1 of 622 requests in progress.
    after_drained: float = 2.0


class ManagementClient(Client):
    """Registers versions of the served model. Raises TorchServeFailed or ServiceUnavailable."""

    def __init__(
        self,
        base_url: str,
        key_file: Path,
        transport: httpx.BaseTransport,
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        super().__init__(base_url, transport, timeout_seconds=TIMEOUT_SECONDS)
        self._key_file = key_file
        self._timeouts = timeouts

    def versions(self) -> list[str]:
        """Registered versions, ready or not."""
        answer = self._manage("GET", "/all", missing_ok=True)
        return [entry["modelVersion"] for entry in answer]

    def default_version(self) -> str | None:
        """The version that answers unversioned requests."""
        answer = self._manage("GET", "", missing_ok=True)
        return answer[0]["modelVersion"] if answer else None

    def is_ready(self, version: str) -> bool:
        """Return True if all workers of a registered version are ready."""
        description = self._describe(version)
        statuses = [worker["status"] for worker in description["workers"]]
        required: int = description["minWorkers"]
        return statuses.count("READY") >= max(1, required)

    def register(self, archive: str) -> None:
        """Start to load an archive of the store; wait_ready waits until it is loaded.

        A synchronous registration would block other clients of the management port.
        """
        self._send("POST", "/models", params={"url": archive, "synchronous": "false"})

    def wait_ready(self, version: str) -> None:
        """Block until all workers of a version are ready."""
        self._wait(
            lambda: self.is_ready(version), self._timeouts.ready, f"load version {version} in time"
        )

    def set_default(self, version: str) -> None:
        """Make a version answer unversioned requests."""
        self._manage("PUT", f"/{version}/set-default")

    def retire(self, version: str) -> None:
        """Remove a version other than the default one, after its last request is answered."""
        self._wait(lambda: self._is_drained(version), self._timeouts.drained, "drain a version")
        time.sleep(self._timeouts.after_drained)
        self.unregister(version)

    def unregister(self, version: str) -> None:
        """Remove a version at once, if it is registered."""
        self._manage("DELETE", f"/{version}", missing_ok=True)

    def _is_drained(self, version: str) -> bool:
        pending: int = self._describe(version)["jobQueueStatus"]["pendingRequests"]
        return pending == 0

    def _describe(self, version: str) -> dict[str, Any]:
        entry: dict[str, Any] = self._manage("GET", f"/{version}")[0]
        return entry

    def _manage(self, method: str, path: str, *, missing_ok: bool = False) -> Any:
        answer = self._send(method, f"/models/{REGISTERED_MODEL}{path}", missing_ok=missing_ok)
        return [] if answer.status_code == httpx.codes.NOT_FOUND else answer.json()

    def _send(
        self, method: str, path: str, *, missing_ok: bool = False, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {read_token(self._key_file, 'management')}"}
        try:
            answer = self._http.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            raise TorchServeFailed(
                f"TorchServe at {self.url} does not answer ({type(error).__name__})."
            ) from None
        if answer.is_success or (missing_ok and answer.status_code == httpx.codes.NOT_FOUND):
            return answer
        raise TorchServeFailed(f"TorchServe rejected {method} {path}: {reason(answer)}")

    def _wait(self, is_done: Callable[[], bool], seconds: float, step: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > deadline:
                raise TorchServeFailed(f"TorchServe did not {step} ({seconds:g} seconds).")
            time.sleep(POLL_SECONDS)
