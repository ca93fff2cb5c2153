"""From photos of places to countries: decode, one forward pass, fuse, answer.

This file travels in each model archive, beside postprocessing.py and preprocessing.py, so it
needs neither TorchServe nor the package euguess. The photo decoder
(euguess.images.preprocessing.decode_photo) is passed in.
"""

import hashlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

if TYPE_CHECKING or __package__:
    from euguess.images import postprocessing
else:  # in an archive, whose files lie side by side
    import postprocessing

MAX_VIEWS = 8  # as euguess.messages.records, which is not in the archive
TOP_COUNT = 5
# Used for a model whose card has no calibration.
COUNTRY_SET_PROBABILITY = 0.9
ABSTAIN_BELOW = 0.25
WARM_UP_BATCHES = (1, 2, 8)

Decode = Callable[[bytes, int], NDArray[np.uint8]]
Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Photos = list[NDArray[np.uint8]]
Json = dict[str, Any]  # a JSON object
Card = Json


class ModelRefused(ValueError):
    """The model package is damaged or does not fit its card; the text says how."""


class InvalidViews(ValueError):
    """A request has too few or too many views, or one that is no photo."""


class RequestRejected(Exception):
    """One request cannot be answered; the text is safe to show to the client."""

    def __init__(self, error: ValueError, view: int | None = None) -> None:
        """View counts from 1; it is None if the request has a single view."""
        super().__init__(str(error) if view is None else f"View {view}: {error}")
        self.error = error


@dataclass(frozen=True, slots=True)
class OutputCalibration:
    """Temperature and thresholds for the outputs of a number of fused views.

    Without set_threshold the country set is the fewest countries with 90 % of the probability.
    """

    views: int
    temperature: float
    abstain_threshold: float = ABSTAIN_BELOW
    set_threshold: float | None = None


def read_calibrations(card: Card) -> list[OutputCalibration]:
    """Read a card's calibrations; the last one serves where the card has none."""
    fitted = [
        OutputCalibration(
            int(row["views"]),
            float(row["temperature"]),
            float(row["abstain_threshold"]),
            float(row["set_threshold"]),
        )
        for row in card.get("calibration", ())
    ]
    return [*fitted, OutputCalibration(1, float(card["temperature"]))]


class Classifier:
    """Names countries; one forward pass for all views of all requests of a batch."""

    def __init__(self, card: Card, decode: Decode, forward: Forward) -> None:
        self._card = card
        self._decode = decode
        self._forward = forward
        self._size = int(card["image"]["size"])
        self._mean = np.asarray(card["image"]["mean"], np.float32)
        self._std = np.asarray(card["image"]["std"], np.float32)
        self._calibrations = read_calibrations(card)

    def predict(self, views: Sequence[bytes]) -> Json:
        """Answer one request as serving.Prediction. Raises RequestRejected."""
        return self.classify([self.decode(views)])[0]

    def classify(self, requests: Sequence[Photos]) -> list[Json]:
        """Answer each request (1..8 decoded photos of one place) as serving.Prediction."""
        if not requests:
            return []
        inputs = self.inputs([photo for photos in requests for photo in photos])
        ends = np.cumsum([len(photos) for photos in requests])[:-1]
        return [
            self.answer(self.fused(rows), len(rows)) for rows in np.split(self.logits(inputs), ends)
        ]

    def warm_up(self) -> None:
        """Run batches as they will come. Raises ModelRefused when the outputs do not fit."""
        countries = len(self._card["countries"])
        for count in WARM_UP_BATCHES:
            logits = self._forward(np.zeros((count, 3, self._size, self._size), np.float32))
            if logits.shape != (count, countries):
                raise ModelRefused(
                    f"The network answers {logits.shape} to {count} images; "
                    f"the card lists {countries} countries."
                )
            if not np.isfinite(logits).all():
                raise ModelRefused("The network's outputs are not finite.")

    def decode(self, views: Sequence[bytes]) -> Photos:
        """Decode 1..8 photos to S x S x 3 bytes each. Raises RequestRejected."""
        if not 1 <= len(views) <= MAX_VIEWS:
            reason = f"{len(views)} views; send 1 to {MAX_VIEWS} photos."
            raise RequestRejected(InvalidViews(reason))
        photos = []
        for number, data in enumerate(views, start=1):
            try:
                photos.append(self._decode(data, self._size))
            except ValueError as error:
                raise RequestRejected(error, number if len(views) > 1 else None) from None
        return photos

    def inputs(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """S x S x 3 bytes each to the network's N x 3 x S x S."""
        return normalise(np.stack(photos), self._mean, self._std)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """N x countries."""
        return self._forward(inputs)

    def fused(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Views x countries logits of one place to country probabilities."""
        return fuse(logits, self._calibration(len(logits)).temperature)

    def answer(self, probabilities: NDArray[np.float64], views: int) -> Json:
        """As serving.Prediction."""
        calibration = self._calibration(views)
        order = np.argsort(-probabilities, kind="stable")
        rows = [self._row(index, probabilities[index]) for index in order]
        codes = [country["country_code"] for country in self._card["countries"]]
        members = country_set(probabilities, order, calibration.set_threshold)
        model = {name: self._card[name] for name in ("name", "version", "dataset", "trained_at")}
        return {
            **rows[0],
            "top": rows[:TOP_COUNT],
            "probabilities": {row["country_code"]: row["probability"] for row in rows},
            "country_set": [codes[index] for index in members],
            "abstain": not postprocessing.is_answered(
                probabilities.max(), calibration.abstain_threshold
            ),
            "views": views,
            "model": model,
        }

    def _calibration(self, views: int) -> OutputCalibration:
        return postprocessing.calibration_for(self._calibrations, views)

    def _row(self, index: int, probability: float) -> Json:
        country = self._card["countries"][index]
        return {
            "country_code": country["country_code"],
            "country": country["name"],
            "probability": round(float(probability), 6),
        }


def normalise(
    photos: NDArray[np.uint8], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    """N x S x S x 3 bytes to N x 3 x S x S network inputs."""
    scaled = (photos.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def fuse(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Views x countries logits of one place to country probabilities.

    The normalised geometric mean of the views' probabilities: log-probabilities are averaged.
    The temperature is the one for so many views; it could as well be applied after the mean.
    """
    views = postprocessing.tempered(logits, temperature)
    fused: NDArray[np.float64] = np.exp(postprocessing.log_softmax(views.mean(axis=0)))
    return fused


def country_set(
    probabilities: NDArray[np.float64],
    order: NDArray[np.intp],
    set_threshold: float | None = None,
) -> NDArray[np.intp]:
    """The likely countries in the given order, most likely first; never none."""
    if set_threshold is None:
        shares = np.cumsum(probabilities[order])
        before_last = np.searchsorted(shares, COUNTRY_SET_PROBABILITY - postprocessing.ROUNDING)
        return order[: before_last + 1]
    return order[postprocessing.country_sets(probabilities, set_threshold)[order]]


def load_classifier(folder: Path, decode: Decode, device: str | None = None) -> Classifier:
    """Load a model package, verified and warmed up.

    Without a device ONNX Runtime serves on one CPU thread (3 to 4 times cheaper than torch
    there); with one ("cuda:0", "cpu") torch does. Raises ModelRefused.
    """
    card = verify_package(folder)
    forward = (
        _onnx_forward(folder, card) if device is None else _torch_forward(folder, card, device)
    )
    classifier = Classifier(card, decode, forward)
    classifier.warm_up()
    return classifier


def verify_package(folder: Path) -> Card:
    """Read model.json and check the SHA-256 of every file that it lists. Raises ModelRefused."""
    try:
        card: Card = json.loads((folder / "model.json").read_text())
        digests = dict(card["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelRefused(f"{folder} has no readable model.json.") from None
    for name, expected in digests.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise ModelRefused(f"{name} is missing from the model package.")
        if file_sha256(folder / name) != expected:
            raise ModelRefused(f"{name} does not have the SHA-256 of model.json; it is damaged.")
    return card


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified(folder: Path, card: Card, name: str) -> Path:
    if name not in card["sha256"]:
        raise ModelRefused(f"model.json lists no SHA-256 of {name}, so it cannot be trusted.")
    return folder / name


def _onnx_forward(folder: Path, card: Card) -> Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the workers are the parallelism
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = _verified(folder, card, "model.onnx")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise ModelRefused(f"model.onnx cannot be loaded: {error}") from None

    def forward(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(["logits"], {"images": images})[0])

    return forward


def _torch_forward(folder: Path, card: Card, device: str) -> Forward:
    import torch

    network = load_network(folder, card, device)

    def forward(images: NDArray[np.float32]) -> NDArray[np.float32]:
        inputs = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            return np.asarray(network(inputs).float().cpu().numpy())

    return forward


def load_network(folder: Path, card: Card, device: str) -> "nn.Module":
    """The torch network of a verified package, in evaluation mode. Raises ModelRefused."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(_verified(folder, card, "model.safetensors"))
    build = _load_source(_verified(folder, card, "network.py")).build_network
    options = {"image_size": card["image"]["size"]}
    if "image_size" not in inspect.signature(build).parameters:  # a package of an older release
        options = {}
    try:
        network: nn.Module = build(card["network"], len(card["countries"]), weights=None, **options)
    except ValueError as error:
        raise ModelRefused(f"network.py cannot build {card['network']}: {error}.") from None
    network.load_state_dict(weights, strict=True)
    network.eval().to(device).to(memory_format=torch.channels_last)
    return network


def _load_source(path: Path) -> Any:
    """Import a verified file of the package by its path."""
    spec = importlib.util.spec_from_file_location("packaged_network", path)
    if spec is None or spec.loader is None:
        raise ModelRefused(f"{path.name} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
