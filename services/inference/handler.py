"""TorchServe's view of the classifier: HTTP parts in, compact JSON out.

A request is one photo as its body, or a multipart form of 1 to 8 photos whose fields have
different names (view1 .. view8): TorchServe keeps only the last of fields of one name.
"""

import importlib
import json
import traceback
from collections.abc import Mapping, Sequence
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
        self._classifier = self._classification.load_classifier(
            Path(properties["model_dir"]),
            self._preprocessing.decode_photo,
            None if gpu is None else f"cuda:{gpu}",
        )

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[str]:
        """One JSON text per request, in order; a bad request spoils no other of its batch."""
        requests = [
            self._views(row, context.get_all_request_header(index))
            for index, row in enumerate(data)
        ]
        answers = self._answers(requests)
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

    def _answers(self, requests: list[Any]) -> list[tuple[int, dict[str, Any]]]:
        accepted = [views for views in requests if not isinstance(views, ValueError)]
        answers = iter(self._classify(accepted))
        return [
            self._refused(views, str(views)) if isinstance(views, ValueError) else next(answers)
            for views in requests
        ]

    def _classify(self, requests: list[list[bytes]]) -> list[tuple[int, dict[str, Any]]]:
        try:
            answers = self._classifier.classify(requests)
        except Exception:  # whatever it is, it must not reach the other requests of the batch
            traceback.print_exc()
            if len(requests) == 1:
                return [(500, _error_body(500, "ClassifierError", "The model failed."))]
            return [self._classify([views])[0] for views in requests]
        refusal = self._classification.Refusal
        return [
            self._refused(answer.error, answer.reason)
            if isinstance(answer, refusal)
            else (200, answer)
            for answer in answers
        ]

    def _refused(self, error: ValueError, reason: str) -> tuple[int, dict[str, Any]]:
        status = 413 if isinstance(error, self._preprocessing.ImageTooLarge) else 400
        return status, _error_body(status, type(error).__name__, reason)


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
