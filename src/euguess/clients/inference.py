"""Client of TorchServe's prediction port."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from euguess.clients.http import TIMEOUT_SECONDS, Client, reason
from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.messages.records import MAX_VIEWS
from euguess.messages.serving import Explanation, Prediction
from euguess.promotion.versions import REGISTERED_MODEL

Answer = TypeVar("Answer", Prediction, Explanation)


class InferenceClient(Client):
    """Client of TorchServe's predictions. key_file is its key_file.json."""

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
        """File that the token is read from; None if the server needs no token."""
        return self._key_file

    def predict(self, views: Sequence[bytes], version: str | None = None) -> Prediction:
        """Predict the country of 1..8 photos of one place, by default with the served version.

        Raises InvalidInput with the server's reason.
        """
        path = f"/predictions/{REGISTERED_MODEL}" + (f"/{version}" if version else "")
        return self._ask(path, views, Prediction)

    def explain(self, views: Sequence[bytes]) -> Explanation:
        """Explain the prediction for 1..8 photos of one place. Raises as predict does."""
        return self._ask(f"/explanations/{REGISTERED_MODEL}", views, Explanation)

    def check(self) -> None:
        """Raise ServiceUnavailable unless TorchServe answers."""
        answer = self._send("GET", "/ping")
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe is not healthy: {reason(answer)}")

    def _ask(self, path: str, views: Sequence[bytes], kind: type[Answer]) -> Answer:
        if not 1 <= len(views) <= MAX_VIEWS:
            raise InvalidInput(f"{len(views)} photos given. Send 1 to {MAX_VIEWS} of one place.")
        answer = self._send("POST", path, **_body(views))
        if answer.status_code in (400, 413) and "InvalidKeyException" not in answer.text:
            raise InvalidInput(reason(answer))
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe refused the request: {reason(answer)}")
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise ServiceUnavailable(
                f"{self._http.base_url} is not the model server of EUGuess: unexpected response."
            ) from None

    def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=self._headers(), **body)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"TorchServe at {self._http.base_url} does not answer ({type(error).__name__}). "
                "Start the stack with `euguess up`, or see `euguess doctor`."
            ) from None

    def _headers(self) -> dict[str, str]:
        if self._key_file is None:
            return {}
        return {"Authorization": f"Bearer {read_token(self._key_file, 'inference')}"}


def read_token(key_file: Path, interface: str) -> str:
    """Token of a TorchServe interface (inference or management). Raises ServiceUnavailable.

    Read it for each request: TorchServe makes new tokens at each start.
    """
    try:
        token: str = json.loads(key_file.read_text())[interface]["key"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ServiceUnavailable(
            f"TorchServe's key file {key_file} is missing or unreadable. Is the stack running?"
        ) from None
    return token


def _body(views: Sequence[bytes]) -> dict[str, Any]:
    if len(views) == 1:
        return {"content": views[0]}
    return {"files": {f"view{i}": (f"view{i}", view) for i, view in enumerate(views, start=1)}}
