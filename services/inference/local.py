"""Predictions in this process, by the classifier that TorchServe runs."""

from collections.abc import Sequence
from pathlib import Path

from euguess.errors import EUGuessError, InvalidInput
from euguess.preprocessing import decode_photo
from euguess.schemas import Prediction
from services.inference.agent import stamp_version
from services.inference.classifier import ModelRefused, Refusal, load_classifier, verify_package
from services.inference.registry import Registry

CHAMPION_MODEL = "champion"


def predict(package: Path, views: Sequence[bytes]) -> Prediction:
    """Name the country of one place. Raises InvalidInput for bad photos or a bad package."""
    try:
        answer = load_classifier(package, decode_photo).classify([views])[0]
    except ModelRefused as reason:
        raise InvalidInput(f"The model in {package} cannot be used: {reason}") from None
    if isinstance(answer, Refusal):
        raise InvalidInput(answer.reason)
    return Prediction.model_validate(answer)


def champion_package(registry: Registry, folder: Path) -> Path:
    """The champion's package, downloaded once. Raises EUGuessError when there is no champion."""
    champion = registry.champion()
    if champion is None:
        raise EUGuessError(
            "There is no champion yet: train and promote a model with `euguess train`, "
            "or name a model folder with --model."
        )
    package = folder / champion.served_version
    if not _is_whole(package):
        package = registry.download(champion, package)
        stamp_version(package, champion.version)
    return package


def _is_whole(package: Path) -> bool:
    try:
        verify_package(package)
    except ModelRefused:
        return False
    return True
