"""TorchServe's handler: extracts photos from requests and responds with compact JSON.

A request is one photo as its body, or a multipart form of 1 to 8 photos whose fields have
different names (view1 .. view8): TorchServe keeps only the last field of each name.
"""

import importlib
import json
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.inference.classifier import Photos, RequestRejected

# The headers of a form part take about 150 bytes; if more is missing, a part was dropped.
PART_OVERHEAD_BYTES = 1024
# For decoding a batch. With the model's part it must stay below TorchServe's response timeout of
# 30 s, after which TorchServe kills the worker and fails the whole batch.
DECODE_SECONDS = 20.0

Reply = tuple[int, dict[str, Any]]  # HTTP status and JSON body


class CountryHandler:
    """TorchServe's entry point; its loader accepts a file with a single class."""

    def initialize(self, context: Any) -> None:
        """Load the model with torch if TorchServe assigned a GPU, else with ONNX Runtime."""
        properties = context.system_properties
        # TorchServe puts the unpacked archive, with these modules, on the path.
        self._classification = importlib.import_module("classifier")
        self._headers = importlib.import_module("photo_headers")
        self._package = importlib.import_module("model_package")
        gpu = properties.get("gpu_id")
        device = None if gpu is None else f"cuda:{gpu}"
        folder = Path(properties["model_dir"])
        self._decoder = importlib.import_module("limited_decoder").LimitedDecoder()
        self._decoder.start()
        self._classifier = self._classification.load_classifier(
            folder, self._decoder.decode_photo, device
        )
        self._explainer = importlib.import_module("explanation").Explainer(
            self._classifier, partial(self._network, folder, device or "cpu")
        )

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[str]:
        """Answer each request of a batch with JSON; a bad request does not fail the others."""
        headers = [context.get_all_request_header(index) for index in range(len(data))]
        for index, (status, _) in enumerate(replies := self._replies(data, headers)):
            context.set_response_content_type(index, "application/json")
            if status != 200:
                context.set_response_status(status, "Refused", index)
        return [json.dumps(body, separators=(",", ":")) for _, body in replies]

    def _replies(
        self, data: Sequence[Mapping[str, Any]], headers: Sequence[Mapping[str, str]]
    ) -> list[Reply]:
        """Decode all requests, explain some, and classify the others in one forward pass."""
        replies, decoded = self._decode(data, headers)
        unanswered: dict[int, Photos] = {}
        for index, photos in decoded.items():
            if is_explanation(headers[index]):
                replies[index] = self._explain(photos)
            else:
                unanswered[index] = photos
        replies |= zip(unanswered, self._classify(list(unanswered.values())), strict=True)
        return [replies[index] for index in range(len(data))]

    def _decode(
        self, data: Sequence[Mapping[str, Any]], headers: Sequence[Mapping[str, str]]
    ) -> "tuple[dict[int, Reply], dict[int, Photos]]":
        """Return the rejections and the decoded photos by the index of their request.

        A request may use its share of the time that is left, so that it cannot use up the others'.
        """
        rejections: dict[int, Reply] = {}
        decoded: dict[int, Photos] = {}
        end = time.monotonic() + DECODE_SECONDS
        for index, (row, sent) in enumerate(zip(data, headers, strict=True)):
            self._decoder.allow((end - time.monotonic()) / (len(data) - index))
            try:
                decoded[index] = self._classifier.decode(self._views(row, sent))
            except self._classification.RequestRejected as rejected:
                rejections[index] = self._rejection(rejected)
            except Exception:  # of any kind: it must not fail the other requests of the batch
                rejections[index] = _failure("ClassifierError", "The model failed.")
        return rejections, decoded

    def _views(self, row: Mapping[str, Any], headers: Mapping[str, str]) -> list[bytes]:
        """Extract the photos from a request. Raises RequestRejected."""
        for name, value in row.items():
            if not isinstance(value, bytes | bytearray):
                raise self._invalid(f"{name} is JSON or text; send the bytes of a photo.")
        views = list(row.values())
        lost = _lost_bytes(views, headers)
        if lost > 0:
            raise self._invalid(
                f"{lost} bytes of the form were dropped because fields have the same name; "
                f"name them view1 to view{self._classification.MAX_VIEWS}."
            )
        return views

    def _invalid(self, reason: str) -> Exception:
        error: Exception = self._classification.RequestRejected(
            self._classification.InvalidViews(reason)
        )
        return error

    def _explain(self, photos: "Photos") -> Reply:
        try:
            return 200, self._explainer.explain(photos)
        except Exception:  # of any kind: it must not fail the other requests of the batch
            return _failure("ExplainerError", "The model could not be explained.")

    def _network(self, folder: Path, device: str) -> Any:
        return self._package.load_network(folder, self._package.verify_package(folder), device)

    def _classify(self, requests: "list[Photos]") -> list[Reply]:
        try:
            return [(200, answer) for answer in self._classifier.classify(requests)]
        except Exception:  # of any kind: try the requests one by one
            if len(requests) == 1:
                return [_failure("ClassifierError", "The model failed.")]
            traceback.print_exc()
            return [self._classify([photos])[0] for photos in requests]

    def _rejection(self, rejected: "RequestRejected") -> Reply:
        is_too_large = isinstance(rejected.error, self._headers.ImageTooLarge)
        return _error(413 if is_too_large else 400, type(rejected.error).__name__, str(rejected))


def is_explanation(headers: Mapping[str, str]) -> bool:
    """Read the header that TorchServe sets by the path of a request."""
    return str(headers.get("explain", "")).lower() == "true"


def _failure(kind: str, message: str) -> Reply:
    """Log the current exception and reply with status 500."""
    traceback.print_exc()
    return _error(500, kind, message)


def _error(status: int, kind: str, message: str) -> Reply:
    """Reply in the format of TorchServe's own errors."""
    return status, {"code": status, "type": kind, "message": message}


def _lost_bytes(views: Sequence[bytes], headers: Mapping[str, str]) -> int:
    """Return the bytes of a multipart form that are in no part; <= 0 if nothing is missing."""
    sent = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    if not sent.get("content-type", "").lower().startswith("multipart/") or not views:
        return 0
    received = sum(len(view) for view in views)
    length = sent.get("content-length", "")
    return int(length) - received - PART_OVERHEAD_BYTES * len(views) if length.isdigit() else 0
