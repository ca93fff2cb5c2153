"""Predictions and explanations in this process, with the classifier that TorchServe runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from euguess.errors import EUGuessError, InvalidInput
from euguess.images.decoding import PhotoDecoder
from euguess.messages.serving import Explanation, Prediction
from services.inference.agent import stamp_version
from services.inference.classifier import RequestRejected, load_classifier
from services.inference.explanation import Explainer
from services.inference.model_package import InvalidModel, load_network, verify_package
from services.inference.model_registry import ModelRegistry

CHAMPION_MODEL = "champion"


def predict(package: Path, views: Sequence[bytes]) -> Prediction:
    """Predict the country of one place. Raises InvalidInput for a bad photo or package."""
    with _usable(package):
        classifier = load_classifier(package, PhotoDecoder().decode_photo)
    with _accepted():
        return Prediction.model_validate(classifier.predict(views))


def explain(package: Path, views: Sequence[bytes]) -> Explanation:
    """Explain the prediction for one place. Raises InvalidInput as predict does."""
    with _usable(package):
        classifier = load_classifier(package, PhotoDecoder().decode_photo)
        network = load_network(package, verify_package(package), "cpu")
    with _accepted():
        photos = classifier.decode(views)
    return Explanation.model_validate(Explainer(classifier, lambda: network).explain(photos))


@contextmanager
def _usable(package: Path) -> Iterator[None]:
    try:
        yield
    except InvalidModel as reason:
        raise InvalidInput(f"Could not load the model in {package}: {reason}") from None


@contextmanager
def _accepted() -> Iterator[None]:
    try:
        yield
    except RequestRejected as reason:
        raise InvalidInput(str(reason)) from None


def champion_package(registry: ModelRegistry, folder: Path) -> Path:
    """Download the champion's package once. Raises EUGuessError if there is no champion."""
    champion = registry.champion()
    if champion is None:
        raise EUGuessError(
            "No champion yet. Train and promote a model with `euguess train`, "
            "or choose a model folder with --model."
        )
    package = folder / champion.served_version
    if not _is_complete(package):
        package = registry.download(champion, package)
        stamp_version(package, champion.version)
    return package


def _is_complete(package: Path) -> bool:
    try:
        verify_package(package)
    except InvalidModel:
        return False
    return True
