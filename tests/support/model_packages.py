"""Small but complete model packages, like those of the trainer."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from euguess.messages.serving import (
    ImageSpec,
    ModelCard,
    ModelCountry,
    ViewsCalibration,
)

SIZE = 32
COUNTRIES = {"FR": "France", "PL": "Poland", "ES": "Spain", "FI": "Finland", "GR": "Greece"}
COUNTRIES |= {"SE": "Sweden"}

NETWORK_SOURCE = """
from torch import nn


def build_network(name, num_countries, weights=None):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(8, num_countries, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )
"""
CONVOLUTIONS = (0, 2, 4)


Calibration = tuple[ViewsCalibration, ...]


def make_package(
    folder: Path, seed: int = 0, temperature: float = 1.0, calibration: Calibration = ()
) -> Path:
    """Write a package of a three-layer network whose weights are drawn from the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.py").write_text(NETWORK_SOURCE)
    state = _weights(seed)
    save_file(state, folder / "model.safetensors")
    onnx.save(_as_onnx(state), folder / "model.onnx")
    write_card(folder, temperature, calibration)
    return folder


def write_card(folder: Path, temperature: float = 1.0, calibration: Calibration = ()) -> ModelCard:
    """Write model.json with the current digests of the files."""
    names = ("model.safetensors", "model.onnx", "network.py")
    card = ModelCard(
        network="tiny",
        countries=tuple(ModelCountry(country_code=c, name=n) for c, n in COUNTRIES.items()),
        image=ImageSpec(size=SIZE),
        dataset="test",
        manifest_digest="0" * 64,
        recipe_name="tiny",
        trained_at=datetime(2026, 1, 2, tzinfo=UTC),
        split_protocol="location",
        temperature=temperature,
        calibration=calibration,
        sha256={n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names},
    )
    (folder / "model.json").write_text(card.model_dump_json())
    return card


def _weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {0: (8, 3, 3, 3), 2: (8, 8, 3, 3), 4: (len(COUNTRIES), 8, 3, 3)}
    weights = {f"{i}.weight": torch.randn(s, generator=generator) / 3 for i, s in shapes.items()}
    biases = {f"{i}.bias": torch.randn(s[0], generator=generator) for i, s in shapes.items()}
    return weights | biases


def _as_onnx(state: dict[str, torch.Tensor]) -> onnx.ModelProto:
    nodes, inputs = [], "images"
    for i in CONVOLUTIONS:
        sources = [inputs, f"{i}.weight", f"{i}.bias"]
        nodes.append(helper.make_node("Conv", sources, [f"c{i}"], strides=[2, 2], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        inputs = f"r{i}"
    del nodes[-1]
    nodes.append(helper.make_node("GlobalAveragePool", ["c4"], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(COUNTRIES)])],
        [onnx.numpy_helper.from_array(t.numpy(), name) for name, t in state.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)
