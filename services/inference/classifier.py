"""Predict countries from photos: decode them, run the network and fuse the views.

This file is part of each model archive, beside model_package.py, postprocessing.py and
preprocessing.py, so it needs neither TorchServe nor the package euguess. The photo decoder
(euguess.images.preprocessing.decode_photo) is passed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from euguess.images import postprocessing
    from services.inference import model_package
    from services.inference.model_package import Card, Forward, InvalidModel
else:  # in an archive, whose files are all in one folder
    import model_package
    import postprocessing
    from model_package import Card, Forward, InvalidModel

MAX_VIEWS = 8  # equals euguess.messages.records.MAX_VIEWS, which is not in the archive
TOP_COUNT = 5
# Used for a model whose card has no calibration.
COUNTRY_SET_PROBABILITY = 0.9
ABSTAIN_BELOW = 0.25
WARM_UP_BATCHES = (1, 2, 8)

Decode = Callable[[bytes, int], NDArray[np.uint8]]
Photos = list[NDArray[np.uint8]]
Json = dict[str, Any]  # a JSON object


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
    """Read a card's calibrations, followed by the default for cards without any."""
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
    """Predicts countries, with one forward pass for all views of all requests of a batch."""

    def __init__(self, card: Card, decode: Decode, forward: Forward) -> None:
        self._card = card
        self._decode = decode
        self._forward = forward
        self._size = int(card["image"]["size"])
        self._mean = np.asarray(card["image"]["mean"], np.float32)
        self._std = np.asarray(card["image"]["std"], np.float32)
        self._calibrations = read_calibrations(card)
        # of held-out photos, sorted
        self._distances = np.asarray((card.get("familiarity") or {}).get("distances", ()))

    def predict(self, views: Sequence[bytes]) -> Json:
        """Answer one request as serving.Prediction. Raises RequestRejected."""
        return self.classify([self.decode(views)])[0]

    def classify(self, requests: Sequence[Photos]) -> list[Json]:
        """Answer each request (1..8 decoded photos of one place) as serving.Prediction."""
        if not requests:
            return []
        inputs = self.inputs([photo for photos in requests for photo in photos])
        ends = np.cumsum([len(photos) for photos in requests])[:-1]
        logits, distances = self._forward(inputs)
        answers = [self.answer(self.fused(rows), len(rows)) for rows in np.split(logits, ends)]
        if distances is not None:
            for answer, rows in zip(answers, np.split(distances, ends), strict=True):
                answer |= self._familiarity(rows, is_abstained=answer["abstain"])
        return answers

    def warm_up(self) -> None:
        """Run batches of typical sizes. Raises InvalidModel if the outputs do not fit the card."""
        countries = len(self._card["countries"])
        for count in WARM_UP_BATCHES:
            zeros = np.zeros((count, 3, self._size, self._size), np.float32)
            logits, distances = self._forward(zeros)
            if logits.shape != (count, countries):
                raise InvalidModel(
                    f"The network returns {logits.shape} for {count} images; "
                    f"the card lists {countries} countries."
                )
            if distances is not None and distances.shape != (count,):
                raise InvalidModel(f"The network returns {distances.shape} distances for {count}.")
            measured = np.zeros(1) if distances is None else distances
            if not (np.isfinite(logits).all() and np.isfinite(measured).all()):
                raise InvalidModel("The network's outputs are not finite.")

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
        """Convert S x S x 3 bytes of each photo to the network's N x 3 x S x S."""
        return normalise(np.stack(photos), self._mean, self._std)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; returns N x countries."""
        return self._forward(inputs).logits

    def fused(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Fuse views x countries logits of one place to country probabilities."""
        return fuse(logits, self._calibration(len(logits)).temperature)

    def answer(self, probabilities: NDArray[np.float64], views: int) -> Json:
        """Build a serving.Prediction from fused probabilities."""
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

    def _familiarity(self, distances: NDArray[np.float32], *, is_abstained: bool) -> Json:
        """Return the fields about photos that are unlike those of training."""
        share = float(np.median(postprocessing.familiarities(distances, self._distances)))
        is_unfamiliar = share < postprocessing.FAMILIAR_SHARE
        return {
            "familiarity": round(share, 4),
            "unfamiliar": is_unfamiliar,
            "abstain": is_abstained or is_unfamiliar,
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
    """Convert N x S x S x 3 bytes to N x 3 x S x S network inputs."""
    scaled = (photos.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def fuse(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Fuse views x countries logits of one place to country probabilities.

    The result is the normalised geometric mean of the views' probabilities. The temperature is
    that for this number of views; applying it after the mean would give the same result.
    """
    views = postprocessing.tempered(logits, temperature)
    fused: NDArray[np.float64] = np.exp(postprocessing.log_softmax(views.mean(axis=0)))
    return fused


def country_set(
    probabilities: NDArray[np.float64],
    order: NDArray[np.intp],
    set_threshold: float | None = None,
) -> NDArray[np.intp]:
    """Return the likely countries in the given order, always at least one."""
    if set_threshold is None:
        shares = np.cumsum(probabilities[order])
        before_last = np.searchsorted(shares, COUNTRY_SET_PROBABILITY - postprocessing.ROUNDING)
        return order[: before_last + 1]
    return order[postprocessing.country_sets(probabilities, set_threshold)[order]]


def load_classifier(folder: Path, decode: Decode, device: str | None = None) -> Classifier:
    """Verify, load and warm up a model package. Raises InvalidModel.

    Without a device, ONNX Runtime runs the network on one CPU thread, 3 to 4 times cheaper than
    torch does. With a device ("cuda:0", "cpu"), torch runs it.
    """
    card = model_package.verify_package(folder)
    if device is None:
        forward = model_package.onnx_forward(folder, card)
    else:
        forward = model_package.torch_forward(folder, card, device)
    classifier = Classifier(card, decode, forward)
    classifier.warm_up()
    return classifier
