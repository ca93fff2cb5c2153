"""TorchServe's view of the classifier: HTTP parts in, compact JSON out.

A request is one photo as its body, or a multipart form of 1 to 8 photos whose fields have
different names (view1 .. view8): TorchServe keeps only the last of fields of one name.
"""

import importlib
import json
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# A part of a form costs about 150 bytes of headers; more than this was dropped on the way.
PART_OVERHEAD_BYTES = 1024


class CountryHandler:
    """The one class of this file, as TorchServe's loader wants it."""

    def initialize(self, context: Any) -> None:
        """Load the archive's model; torch when TorchServe assigned a GPU, else ONNX Runtime."""
        properties = context.system_properties
        # They lie beside this file in the archive, which TorchServe puts on the path.
        self._classification = importlib.import_module("classifier")
        self._preprocessing = importlib.import_module("preprocessing")
        gpu = properties.get("gpu_id")
        device = None if gpu is None else f"cuda:{gpu}"
        folder = Path(properties["model_dir"])
        self._classifier = self._classification.load_classifier(
            folder, self._preprocessing.decode_photo, device
        )
        self._explainer = importlib.import_module("explanation").Explainer(
            self._classifier, partial(self._network, folder, device or "cpu")
        )

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[str]:
        """One JSON text per request, in order; a bad request spoils no other of its batch."""
        headers = [context.get_all_request_header(index) for index in range(len(data))]
        requests = [self._views(*request) for request in zip(data, headers, strict=True)]
        answers = self._answers(requests, [is_explanation(sent) for sent in headers])
        for index, (status, _) in enumerate(answers):
            context.set_response_content_type(index, "application/json")
            if status != 200:
                context.set_response_status(status, "Refused", index)
        return [json.dumps(body, separators=(",", ":")) for _, body in answers]

    def _views(self, row: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Photos of a request, or the ValueError for which it is refused."""
        invalid = self._classification.InvalidViews
        for name, value in row.items():
            if not isinstance(value, bytes | bytearray):
                return invalid(f"{name} is JSON or text; send the bytes of a photo.")
        views = list(row.values())
        lost = _lost_bytes(views, headers)
        if lost > 0:
            return invalid(
                f"{lost} bytes of the form were dropped because fields have the same name; "
                "name them view1 to view8."
            )
        return views

    def _answers(
        self, requests: list[Any], explained: list[bool]
    ) -> list[tuple[int, dict[str, Any]]]:
        refused = [isinstance(views, ValueError) for views in requests]
        asked = list(zip(requests, refused, explained, strict=True))
        predictions = iter(self._classify([v for v, bad, why in asked if not bad and not why]))
        return [
            self._refused(views, str(views))
            if bad
            else self._explain(views)
            if why
            else next(predictions)
            for views, bad, why in asked
        ]

    def _explain(self, views: list[bytes]) -> tuple[int, dict[str, Any]]:
        try:
            return self._reply(self._explainer.explain(views))
        except Exception:  # whatever it is, it must not reach the other requests of the batch
            traceback.print_exc()
            return 500, _error_body(500, "ExplainerError", "The model could not be explained.")

    def _network(self, folder: Path, device: str) -> Any:
        card = self._classification.verify_package(folder)
        return self._classification.load_network(folder, card, device)

    def _classify(self, requests: list[list[bytes]]) -> list[tuple[int, dict[str, Any]]]:
        try:
            answers = self._classifier.classify(requests)
        except Exception:  # whatever it is, it must not reach the other requests of the batch
            traceback.print_exc()
            if len(requests) == 1:
                return [(500, _error_body(500, "ClassifierError", "The model failed."))]
            return [self._classify([views])[0] for views in requests]
        return [self._reply(answer) for answer in answers]

    def _reply(self, answer: Any) -> tuple[int, dict[str, Any]]:
        if isinstance(answer, self._classification.Refusal):
            return self._refused(answer.error, answer.reason)
        return 200, answer

    def _refused(self, error: ValueError, reason: str) -> tuple[int, dict[str, Any]]:
        status = 413 if isinstance(error, self._preprocessing.ImageTooLarge) else 400
        return status, _error_body(status, type(error).__name__, reason)


def is_explanation(headers: Mapping[str, str]) -> bool:
    """TorchServe's front end sets this header by the path of the request, whatever was sent."""
    return str(headers.get("explain", "")).lower() == "true"


def _error_body(status: int, kind: str, message: str) -> dict[str, Any]:
    """The shape of TorchServe's own errors."""
    return {"code": status, "type": kind, "message": message}


def _lost_bytes(views: Sequence[bytes], headers: Mapping[str, str]) -> int:
    """Bytes of a multipart form that no part accounts for; <= 0 when nothing was dropped."""
    sent = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    if not sent.get("content-type", "").lower().startswith("multipart/") or not views:
        return 0
    received = sum(len(view) for view in views)
    length = sent.get("content-length", "")
    return int(length) - received - PART_OVERHEAD_BYTES * len(views) if length.isdigit() else 0
