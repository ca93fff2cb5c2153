"""Client of TorchServe's management and inference ports."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from euguess.errors import ServiceUnavailable
from euguess.promotion.candidates import REGISTERED_MODEL

TIMEOUT_SECONDS = 10.0
PREDICTION_SECONDS = 40.0  # above the response timeout of the archives
POLL_SECONDS = 0.25


class TorchServeFailed(ServiceUnavailable):
    """TorchServe does not answer or refuses; `python -m services.inference serve` starts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long a swap waits for what, in seconds."""

    ready: float = 180.0  # a worker imports torch first, which takes long on a busy machine
    drained: float = 30.0
    # Deleting the old version right after the switch failed 1 request in 622 that was under way.
    after_drained: float = 2.0


class TorchServeClient:
    """Versions of the served model. Every method raises TorchServeFailed."""

    def __init__(
        self,
        inference_url: str,
        management_url: str,
        key_file: Path,
        waits: Waits = Waits(),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._inference_url = inference_url
        self._management_url = management_url
        self._key_file = key_file
        self._waits = waits
        self._http = httpx.Client(
            timeout=TIMEOUT_SECONDS,
            trust_env=False,  # no proxy stands before loopback
            limits=httpx.Limits(max_keepalive_connections=0),  # calls are rare
            transport=transport,
        )

    def versions(self) -> list[str]:
        """Registered versions, ready or not."""
        answer = self._manage("GET", "/all", missing_ok=True)
        return [entry["modelVersion"] for entry in answer]

    def default_version(self) -> str | None:
        """The version that answers unversioned requests."""
        answer = self._manage("GET", "", missing_ok=True)
        return answer[0]["modelVersion"] if answer else None

    def is_ready(self, version: str) -> bool:
        """Whether all workers of a registered version are ready."""
        description = self._describe(version)
        statuses = [worker["status"] for worker in description["workers"]]
        wanted: int = description["minWorkers"]
        return statuses.count("READY") >= max(1, wanted)

    def register(self, archive: str) -> None:
        """Load an archive of the store. Asynchronous: waiting there would stall other clients."""
        query = {"url": archive, "synchronous": "false"}
        self._send("POST", f"{self._management_url}/models", params=query)

    def wait_ready(self, version: str) -> None:
        """Block until all workers of a version are ready."""
        self._wait(
            lambda: self.is_ready(version), self._waits.ready, f"load version {version} in time"
        )

    def set_default(self, version: str) -> None:
        """Let a version answer unversioned requests, from now on."""
        self._manage("PUT", f"/{version}/set-default")

    def retire(self, version: str) -> None:
        """Remove a version that is no default once its requests are answered."""
        self._wait(lambda: self._is_drained(version), self._waits.drained, "drain a version")
        time.sleep(self._waits.after_drained)
        self.unregister(version)

    def unregister(self, version: str) -> None:
        """Remove a version at once; harmless when it is not there."""
        self._manage("DELETE", f"/{version}", missing_ok=True)

    def predict(self, photo: bytes, version: str | None = None) -> dict[str, Any]:
        """Answer to one photo, by a version or the default one."""
        path = f"/predictions/{REGISTERED_MODEL}" + (f"/{version}" if version else "")
        answer = self._send(
            "POST",
            f"{self._inference_url}{path}",
            key="inference",
            content=photo,
            timeout=PREDICTION_SECONDS,
        )
        prediction: dict[str, Any] = answer.json()
        return prediction

    def _is_drained(self, version: str) -> bool:
        pending: int = self._describe(version)["jobQueueStatus"]["pendingRequests"]
        return pending == 0

    def _describe(self, version: str) -> dict[str, Any]:
        entry: dict[str, Any] = self._manage("GET", f"/{version}")[0]
        return entry

    def _manage(self, method: str, path: str, *, missing_ok: bool = False) -> Any:
        url = f"{self._management_url}/models/{REGISTERED_MODEL}{path}"
        answer = self._send(method, url, missing_ok=missing_ok)
        return [] if answer.status_code == httpx.codes.NOT_FOUND else answer.json()

    def _send(
        self,
        method: str,
        url: str,
        *,
        key: str = "management",
        missing_ok: bool = False,
        **body: Any,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token(key)}"}
        try:
            answer = self._http.request(method, url, headers=headers, **body)
        except httpx.TransportError as error:
            raise TorchServeFailed(
                f"TorchServe at {url} does not answer ({type(error).__name__})."
            ) from None
        if answer.is_success or (missing_ok and answer.status_code == httpx.codes.NOT_FOUND):
            return answer
        raise TorchServeFailed(f"TorchServe refused {method} {url}: {_reason(answer)}")

    def _token(self, key: str) -> str:
        """Read each time: tokens change when TorchServe starts again."""
        try:
            keys: Mapping[str, Mapping[str, str]] = json.loads(self._key_file.read_text())
            return keys[key]["key"]
        except (OSError, ValueError, KeyError):
            raise TorchServeFailed(
                f"TorchServe's key file {self._key_file} is not there (yet); is it running?"
            ) from None

    def _wait(self, is_done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > deadline:
                raise TorchServeFailed(f"TorchServe did not {what} ({seconds:g} seconds).")
            time.sleep(POLL_SECONDS)


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
