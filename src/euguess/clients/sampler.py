"""Client of the sampler."""

from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from euguess.clients.http import Client, reason
from euguess.errors import DatasetConflict, DatasetNotFound, InvalidInput, ServiceUnavailable
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)
from euguess.messages.training import TrainRun


class SamplerClient(Client):
    """Client of the sampler. Raises ServiceUnavailable if the sampler does not answer."""

    def create(self, spec: DatasetSpec) -> DatasetStatus:
        """Request a dataset. The same request again is harmless and resumes a stopped one."""
        answer = self._send("POST", "/datasets", json=spec.model_dump(mode="json"))
        return DatasetStatus.model_validate_json(answer)

    def status(self, name: str) -> DatasetStatus:
        return DatasetStatus.model_validate_json(self._send("GET", f"/datasets/{name}"))

    def datasets(self) -> list[DatasetStatus]:
        return _DATASETS.validate_json(self._send("GET", "/datasets"))

    def stop(self, name: str) -> DatasetStatus:
        """Stop a collection and keep its photos."""
        return DatasetStatus.model_validate_json(self._send("DELETE", f"/datasets/{name}"))

    def set_budget(self, name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget of a collection. A higher one resumes a paused collection."""
        body = budget.model_dump(mode="json")
        answer = self._send("PUT", f"/datasets/{name}/budget", json=body)
        return DatasetStatus.model_validate_json(answer)

    def train(self, order: TrainRun) -> None:
        """Queue a training. Resumes an interrupted run of the same dataset and recipe."""
        self._send("POST", "/trainings", json=order.model_dump(mode="json"))

    def dead_letters(self) -> list[DeadLetter]:
        return _DEAD_LETTERS.validate_json(self._send("GET", "/dead-letters"))

    def queues(self) -> QueueStatus:
        return QueueStatus.model_validate_json(self._send("GET", "/queues"))

    def troubles(self) -> dict[str, str]:
        """Return the problems of the sampler by component (redis, store, collection)."""
        answer = self._answer("GET", "/readyz")
        if answer.is_success:
            return {}
        try:
            return _TROUBLES.validate_json(answer.content)
        except ValidationError:
            raise ServiceUnavailable(f"The sampler is not ready: {reason(answer)}") from None

    def _send(self, method: str, path: str, **options: Any) -> bytes:
        answer = self._answer(method, path, **options)
        _raise_for_sampler(answer)
        return answer.content

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"The sampler at {self._http.base_url} does not answer ({type(error).__name__}). "
                "Start the stack with `euguess up`, or see `euguess doctor`."
            ) from None


_DATASETS = TypeAdapter(list[DatasetStatus])
_DEAD_LETTERS = TypeAdapter(list[DeadLetter])
_TROUBLES = TypeAdapter(dict[str, str])
_NO_TOKEN = (
    "The sampler needs the access token. Set EUGUESS_ACCESS_TOKEN_FILE to a file that holds it."
)
_SAMPLER_ERRORS = {404: DatasetNotFound, 409: DatasetConflict, 422: InvalidInput}


def _raise_for_sampler(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code == 401:
        raise InvalidInput(_NO_TOKEN)
    kind = _SAMPLER_ERRORS.get(answer.status_code, ServiceUnavailable)
    raise kind(reason(answer))
