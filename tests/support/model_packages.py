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
from services.networks import build_network

SIZE = 32
COUNTRIES = {"FR": "France", "PL": "Poland", "ES": "Spain", "FI": "Finland", "GR": "Greece"}
COUNTRIES |= {"SE": "Sweden"}

NETWORK = "smallnet"
CONVOLUTIONS = (0, 4, 8)  # in SmallNet.features; each is followed by normalisation and pooling
SPREAD = 30  # factor on the last layer, so that predictions are neither uniform nor certain


Calibration = tuple[ViewsCalibration, ...]


def make_package(
    folder: Path, seed: int = 0, temperature: float = 1.0, calibration: Calibration = ()
) -> Path:
    """Write a package of the smallest network, with weights drawn from the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    state = _weights(seed)
    save_file(state, folder / "model.safetensors")
    onnx.save(_as_onnx(state), folder / "model.onnx")
    write_card(folder, temperature, calibration)
    return folder


def write_card(folder: Path, temperature: float = 1.0, calibration: Calibration = ()) -> ModelCard:
    """Write model.json with the current digests of the files."""
    names = ("model.safetensors", "model.onnx")
    card = ModelCard(
        network=NETWORK,
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
    torch.manual_seed(seed)
    state = build_network(NETWORK, len(COUNTRIES)).state_dict()
    state["classifier.2.weight"] *= SPREAD
    return state


def _as_onnx(state: dict[str, torch.Tensor]) -> onnx.ModelProto:
    """Write SmallNet for images of 32 pixels, without torch's exporter, which takes seconds."""
    nodes, inputs = [], "images"
    for i in CONVOLUTIONS:
        weight, norm = f"features.{i}.weight", _normalisation(i + 1)
        strides, pads = [2, 2] if i == 0 else [1, 1], [state[weight].shape[-1] // 2] * 4
        nodes += [
            helper.make_node("Conv", [inputs, weight], [f"c{i}"], strides=strides, pads=pads),
            helper.make_node("BatchNormalization", [f"c{i}", *norm], [f"n{i}"]),
            helper.make_node("Relu", [f"n{i}"], [f"r{i}"]),
            helper.make_node("MaxPool", [f"r{i}"], [f"p{i}"], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        inputs = f"p{i}"
    head = ["flat", "classifier.2.weight", "classifier.2.bias"]
    nodes.append(helper.make_node("Flatten", [inputs], ["flat"]))
    nodes.append(helper.make_node("Gemm", head, ["logits"], transB=1))
    graph = helper.make_graph(
        nodes,
        NETWORK,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(COUNTRIES)])],
        [
            onnx.numpy_helper.from_array(tensor.numpy(), name)
            for name, tensor in state.items()
            if not name.endswith("num_batches_tracked")
        ],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def _normalisation(layer: int) -> list[str]:
    names = ("weight", "bias", "running_mean", "running_var")
    return [f"features.{layer}.{name}" for name in names]
