"""Client of TorchServe."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from euguess.clients.http import TIMEOUT_SECONDS, Client, reason
from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.messages.serving import Explanation, Prediction

MAX_VIEWS = 8
Answer = TypeVar("Answer", Prediction, Explanation)


class InferenceClient(Client):
    """Predictions by TorchServe; key_file is its key_file.json, read anew for each request."""

    def __init__(
        self,
        base_url: str,
        key_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(base_url, transport, timeout_seconds=timeout_seconds)
        self._key_file = key_file

    @property
    def key_file(self) -> Path | None:
        """Where the token is read from; None where none is asked for."""
        return self._key_file

    def predict(self, views: Sequence[bytes]) -> Prediction:
        """Country of a place seen on 1..8 photos. Raises InvalidInput with the server's reason."""
        return self._ask("predictions", views, Prediction)

    def explain(self, views: Sequence[bytes]) -> Explanation:
        """Why 1..8 photos of a place were given their country. Raises as predict does."""
        return self._ask("explanations", views, Explanation)

    def check(self) -> None:
        """Raises ServiceUnavailable unless TorchServe answers."""
        answer = self._send("GET", "/ping")
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe is not healthy: {reason(answer)}")

    def _ask(self, question: str, views: Sequence[bytes], kind: type[Answer]) -> Answer:
        if not 1 <= len(views) <= MAX_VIEWS:
            raise InvalidInput(f"{len(views)} photos given; send 1 to {MAX_VIEWS} of one place.")
        answer = self._send("POST", f"/{question}/euguess", **_body(views))
        if answer.status_code in (400, 413) and "InvalidKeyException" not in answer.text:
            raise InvalidInput(reason(answer))
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe refused the request: {reason(answer)}")
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise ServiceUnavailable(
                f"{self._http.base_url} did not answer as the EUGuess model server does."
            ) from None

    def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=self._headers(), **body)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"TorchServe at {self._http.base_url} does not answer ({type(error).__name__}); "
                "start the stack with `euguess up`, or see `euguess doctor`."
            ) from None

    def _headers(self) -> dict[str, str]:
        if self._key_file is None:
            return {}
        try:
            keys = json.loads(self._key_file.read_text())
        except FileNotFoundError:
            raise ServiceUnavailable(
                f"TorchServe's key file {self._key_file} is missing; is the stack running?"
            ) from None
        return {"Authorization": f"Bearer {keys['inference']['key']}"}


def _body(views: Sequence[bytes]) -> dict[str, Any]:
    if len(views) == 1:
        return {"content": views[0]}
    return {"files": {f"view{i}": (f"view{i}", view) for i, view in enumerate(views, start=1)}}
