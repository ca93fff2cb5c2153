"""TorchServe's two HTTP interfaces in memory; predicts with the models in the store."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from euguess.images.preprocessing import decode_photo
from services.inference.classifier import RequestRejected, load_classifier

MANAGEMENT_URL = "http://management"
INFERENCE_URL = "http://inference"
KEYS = {"management": {"key": "m-key"}, "inference": {"key": "i-key"}}


class FakeTorchServe:
    """Registers archives of a store; `calls` lists the changes in order."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.archives: dict[str, str] = {}
        self.default: str | None = None
        self.calls: list[str] = []
        self.is_down = False
        self.loads_models = True
        self.disturbed: tuple[str, ...] = ()  # versions that give wrong predictions

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("refused", request=request)
        interface = request.url.host
        if request.headers["Authorization"] != f"Bearer {KEYS[interface]['key']}":
            return _error(400, "Token Authorization failed.")
        parts = request.url.path.strip("/").split("/")
        if interface == "inference":
            return self._predict(parts[2:], request.content)
        return self._manage(request, parts)

    def _manage(self, request: httpx.Request, parts: Sequence[str]) -> httpx.Response:
        if request.method == "POST":
            return self._register(request.url.params["url"])
        if request.method == "PUT":
            return self._set_default(parts[2])
        if request.method == "DELETE":
            return self._unregister(parts[2])
        return self._describe(parts[2] if len(parts) > 2 else self.default)

    def _register(self, archive: str) -> httpx.Response:
        manifest = self.store / archive / "MAR-INF" / "MANIFEST.json"
        if not manifest.exists():
            return _error(404, f"Model not found at: {archive}")
        version = json.loads(manifest.read_text())["model"]["modelVersion"]
        if version in self.archives:
            return _error(409, f"Model version {version} is already registered")
        self.calls.append(f"register {version}")
        self.archives[version] = archive
        self.default = self.default or version
        return httpx.Response(202, json={})

    def _set_default(self, version: str) -> httpx.Response:
        if version != self.default:
            self.calls.append(f"default {version}")
        self.default = version
        return httpx.Response(200, json={})

    def _unregister(self, version: str) -> httpx.Response:
        if version not in self.archives:
            return _error(404, "Model not found")
        if version == self.default and len(self.archives) > 1:
            return _error(403, "Cannot remove default version")
        self.calls.append(f"unregister {version}")
        del self.archives[version]
        self.default = None if version == self.default else self.default
        return httpx.Response(200, json={})

    def _describe(self, version: str | None) -> httpx.Response:
        versions = list(self.archives) if version == "all" else [version]
        if not self.archives or not set(versions) <= set(self.archives):
            return _error(404, "Model not found")
        return httpx.Response(200, json=[self._entry(version) for version in versions])

    def _entry(self, version: str | None) -> dict[str, Any]:
        status = "READY" if self.loads_models else "UNLOADING"
        return {
            "modelVersion": version,
            "minWorkers": 1,
            "workers": [{"status": status}],
            "jobQueueStatus": {"pendingRequests": 0},
        }

    def _predict(self, version: Sequence[str], photo: bytes) -> httpx.Response:
        name = version[0] if version else str(self.default)
        classifier = load_classifier(self.store / self.archives[name], decode_photo)
        try:
            answer = classifier.predict([photo])
        except RequestRejected as reason:
            return _error(400, str(reason))
        if name in self.disturbed:
            codes = list(answer["probabilities"])
            answer["probabilities"] |= {codes[-1]: 0.9, codes[0]: 0.0}
        return httpx.Response(200, json=answer)


def _error(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"code": status, "message": message})
