"""The model package is complete, verified and gives the same logits in ONNX Runtime."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from euguess.errors import EUGuessError
from euguess.messages.serving import ImageSpec, ModelCard
from euguess.training.report import Report
from services.networks import build_network
from services.trainer.errors import Diverged
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.models.export import check_parity, export_onnx, export_package
from tests.support.tiny_training import SIZE, tiny_recipe, tiny_split_data

THEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("smallnet", 3).eval()


@pytest.fixture(scope="module")
def package(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, recipe = tmp_path_factory.mktemp("package"), tiny_recipe()
    report = evaluate(network, tiny_split_data(recipe), recipe)
    export_package(folder, network, recipe, report, THEN)
    return folder


def test_a_package_has_four_files(package: Path) -> None:
    assert {path.name for path in package.iterdir()} == {
        "model.safetensors",
        "model.onnx",
        "model.json",
        "report.json",
    }


def test_the_card_names_the_digest_of_every_other_file(package: Path) -> None:
    card = ModelCard.model_validate_json((package / "model.json").read_text())
    others = [path for path in package.iterdir() if path.name != "model.json"]
    assert card.sha256 == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in others
    }
    assert [country.country_code for country in card.countries] == ["FR", "IT", "PL"]
    assert card.split_protocol == "location"
    assert "fused_top1_accuracy" in card.metrics


def test_the_card_has_the_calibration_and_its_test_results(package: Path) -> None:
    card = ModelCard.model_validate_json((package / "model.json").read_text())
    report = Report.model_validate_json((package / "report.json").read_text())
    assert [one.views for one in card.calibration] == [1, 2, 3]
    assert card.calibration == report.calibration
    assert card.metrics["set_coverage"] == report.certainty[0].set_coverage
    assert card.metrics["fused_nll"] == report.certainty[-1].nll


def test_the_report_is_readable(package: Path) -> None:
    assert Report.model_validate_json((package / "report.json").read_text()).dataset == "tiny"


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_accepts_any_batch_and_gives_the_networks_logits(
    package: Path, network: nn.Module, batch: int
) -> None:
    session = onnxruntime.InferenceSession(package / "model.onnx")
    images = torch.randn(batch, 3, SIZE, SIZE)
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    with torch.inference_mode():
        expected = network(images).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_onnx_declares_the_names_and_shapes_of_the_contract(package: Path) -> None:
    graph = onnx.load(package / "model.onnx").graph
    (images,), (logits,) = graph.input, graph.output
    assert (images.name, logits.name) == ("images", "logits")
    dims = [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim]
    assert isinstance(dims[0], str)
    assert dims[1:] == [3, SIZE, SIZE]


def test_an_onnx_file_with_other_weights_is_refused(package: Path) -> None:
    other = build_network("smallnet", 3).eval()
    with pytest.raises(EUGuessError, match="differs"):
        check_parity(other, ImageSpec(size=SIZE), package / "model.onnx")


def test_a_network_that_returns_nan_is_not_exported(tmp_path: Path) -> None:
    linear = nn.Linear(3 * 8 * 8, 3)
    nn.init.constant_(linear.weight, torch.nan)
    broken = nn.Sequential(nn.Flatten(), linear)
    with pytest.raises(Diverged, match="not finite numbers"):
        export_onnx(broken, ImageSpec(size=8), tmp_path / "model.onnx")
