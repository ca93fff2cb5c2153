"""Model packages: verifying their files and loading their networks.

A package is data: networks are built by this release's code, never by a file of the package.
This file is part of each model archive, beside head_network.py, so it needs neither TorchServe nor
the package euguess.
"""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


class Outputs(NamedTuple):
    """Logits, N x countries, and each photo's distance to those of training, if it is measured."""

    logits: NDArray[np.float32]
    distances: NDArray[np.float32] | None = None


Forward = Callable[[NDArray[np.float32]], Outputs]  # of N x 3 x S x S
Card = dict[str, Any]  # model.json
TOLERANCE = 1e-2  # of logits; backends differ by about 1e-5


class InvalidModel(ValueError):
    """A model package that is damaged or does not match its card; the text says how."""


def verify_package(folder: Path) -> Card:
    """Read model.json and check the SHA-256 of every file that it lists. Raises InvalidModel."""
    try:
        card: Card = json.loads((folder / "model.json").read_text())
        digests = dict(card["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidModel(f"{folder} has no readable model.json.") from None
    for name, expected in digests.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise InvalidModel(f"{name} is missing from the model package.")
        if file_sha256(folder / name) != expected:
            raise InvalidModel(f"{name} does not have the SHA-256 of model.json; it is damaged.")
    return card


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified(folder: Path, card: Card, name: str) -> Path:
    if name not in card["sha256"]:
        raise InvalidModel(f"model.json does not list the SHA-256 of {name}, so it is not trusted.")
    return folder / name


def onnx_forward(folder: Path, card: Card) -> Forward:
    """Load model.onnx of a verified package. Raises InvalidModel."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one core per worker
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = _verified(folder, card, "model.onnx")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise InvalidModel(f"Could not load model.onnx: {error}") from None

    names = ["logits", "distances"] if card.get("familiarity") else ["logits"]

    def forward(images: NDArray[np.float32]) -> Outputs:
        return Outputs(*map(np.asarray, session.run(names, {"images": images})))

    return forward


def torch_forward(folder: Path, card: Card, device: str) -> Forward:
    """Load the torch network of a verified package onto a device. Raises InvalidModel."""
    import torch

    network = load_network(folder, card, device)
    if card.get("familiarity"):
        network = _measuring(network, folder, card).to(device)

    def forward(images: NDArray[np.float32]) -> Outputs:
        inputs = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            found = network(inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        return Outputs(*(one.float().cpu().numpy() for one in outputs))

    return forward


def load_network(folder: Path, card: Card, device: str) -> "nn.Module":
    """Build the torch network of a verified package, in evaluation mode. Raises InvalidModel."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(_verified(folder, card, "model.safetensors"))
    build, backbones = _module("head_network").build_model, card.get("backbones", ())
    try:
        network: nn.Module = build(
            card["network"], len(card["countries"]), card["image"], backbones
        )
        network.load_state_dict(weights, strict=True)
    except (AttributeError, IndexError, KeyError, RuntimeError, ValueError) as error:
        raise InvalidModel(f"Could not build {card['network']}: {error}.") from None
    _require_same_outputs(network.eval(), onnx_forward(folder, card), card)
    return network.to(device).to(memory_format=torch.channels_last)


def _measuring(network: "nn.Module", folder: Path, card: Card) -> "nn.Module":
    """Add the distance to training to a network's outputs. Raises InvalidModel."""
    from safetensors.torch import load_file

    module, fitted = _module("familiarity"), card["familiarity"]
    distance = module.FeatureDistance(fitted["width"], fitted["components"])
    try:
        distance.load_state_dict(load_file(_verified(folder, card, "familiarity.safetensors")))
    except RuntimeError as error:
        raise InvalidModel(f"Could not load familiarity.safetensors: {error}.") from None
    measuring: nn.Module = module.MeasuringNetwork(network, distance).eval()
    return measuring


def _module(name: str) -> Any:
    """Import code that builds networks, late: torch takes seconds."""
    return importlib.import_module(f"services.{name}" if __package__ else name)


def _require_same_outputs(network: "nn.Module", onnx: Forward, card: Card) -> None:
    """Raise InvalidModel unless the network computes what model.onnx does."""
    import torch

    shape = (1, 3, card["image"]["size"], card["image"]["size"])
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = onnx(images).logits
    with torch.inference_mode():
        found = network(torch.from_numpy(images)).numpy()
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise InvalidModel(
            f"This release builds the network {card['network']} differently from the release that "
            f"exported the model on {card['trained_at'][:10]}. Train the recipe again to explain "
            "the model or to serve it on a GPU; on a CPU, model.onnx still serves it."
        )
