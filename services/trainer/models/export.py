"""Export of the model package that inference serves."""

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from euguess.errors import EUGuessError
from euguess.messages.serving import ImageSpec, ModelCard
from euguess.training.recipes.head_recipe import HeadRecipe
from euguess.training.recipes.read import AnyRecipe
from euguess.training.report import Report
from services.familiarity import MeasuringNetwork
from services.trainer.evaluation.metrics import require_finite
from services.trainer.models.familiarity import Familiarity
from services.trainer.tensor_files import save_tensors

WEIGHTS, ONNX = "model.safetensors", "model.onnx"
FAMILIARITY = "familiarity.safetensors"
CARD, REPORT = "model.json", "report.json"
EXPORT_BATCH = 2  # the exporter would treat 1 as a constant
CHECKED_BATCHES = (1, 3)
# float32 sums differ by order of addition; logits of trained networks are about 10.
TOLERANCE = 1e-3
# Distances are sums of squares of small differences. After two epochs, when the features of all
# photos are nearly equal, those of torch and ONNX Runtime differed by 0.5 %.
DISTANCE_TOLERANCE = 2e-2


def export_package(
    folder: Path,
    network: nn.Module,
    recipe: AnyRecipe,
    report: Report,
    trained_at: datetime,
    familiarity: Familiarity | None = None,
) -> ModelCard:
    """Write the package of a network and check that torch and ONNX Runtime agree.

    Raises EUGuessError if they do not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_tensors(state, folder / WEIGHTS)
    names = [WEIGHTS, ONNX, REPORT]
    served = network
    if familiarity is not None:
        save_tensors(familiarity.distance.state_dict(), folder / FAMILIARITY)
        names.append(FAMILIARITY)
        served = MeasuringNetwork(network, familiarity.distance).eval()
    export_onnx(served, recipe.image, folder / ONNX)
    (folder / REPORT).write_text(report.model_dump_json(indent=2))
    card = ModelCard(
        network=recipe.network,
        backbones=recipe.described if isinstance(recipe, HeadRecipe) else (),
        countries=report.countries,
        image=recipe.image,
        dataset=report.dataset,
        manifest_digest=report.manifest_digest,
        recipe_name=recipe.name,
        trained_at=trained_at,
        split_protocol=report.protocol,
        may_leak=report.may_leak,
        metrics=report.card_metrics,
        calibration=report.calibration,
        familiarity=None if familiarity is None else familiarity.calibration,
        sha256={name: _sha256(folder / name) for name in names},
    )
    (folder / CARD).write_text(card.model_dump_json(indent=2))
    return card


def export_onnx(network: nn.Module, image: ImageSpec, path: Path) -> None:
    """Write the network as ONNX, `images` (any number) to its outputs, and check it."""
    example = torch.zeros(EXPORT_BATCH, 3, image.size, image.size)
    with _quiet_exporter():
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=["images"],
            output_names=list(_output_names(network)),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    check_parity(network, image, path)


def check_parity(network: nn.Module, image: ImageSpec, path: Path) -> None:
    """Raise EUGuessError unless ONNX Runtime reproduces the network's outputs.

    Raises Diverged if these are not finite numbers.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    for count in CHECKED_BATCHES:
        images = torch.randn(count, 3, image.size, image.size, generator=generator)
        with torch.inference_mode():
            expected = network(images)
        found = session.run(list(_output_names(network)), {"images": images.numpy()})
        tolerances = (TOLERANCE, DISTANCE_TOLERANCE)
        for one, other, tolerance in zip(_outputs(expected), found, tolerances, strict=False):
            _require_equal(one.numpy(), np.asarray(other), tolerance)


def _require_equal(
    expected: NDArray[np.float32], found: NDArray[np.float32], tolerance: float
) -> None:
    require_finite(expected.reshape(len(expected), -1), "The network's outputs")
    difference = float(np.abs(expected - found).max() / max(1.0, np.abs(expected).max()))
    if not difference <= tolerance:
        raise EUGuessError(
            f"The ONNX model differs from the network (relative error {difference:.2g}). "
            "It was not exported."
        )


def _output_names(network: nn.Module) -> tuple[str, ...]:
    return ("logits", "distances") if isinstance(network, MeasuringNetwork) else ("logits",)


def _outputs(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's progress and deprecation messages, which do not help users."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
