"""A head as one network: trainer, torch and ONNX Runtime agree."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import interpolate

from euguess.images.postprocessing import log_softmax
from euguess.messages.serving import BackboneSpec, ImageSpec, ModelCard
from euguess.training.recipes.head_recipe import HeadRecipe, validated_head
from services.head_network import HeadNetwork, ImageAdapter
from services.inference.explanation import GRAD_CAM, INPUT_X_GRADIENT, heat_maps
from services.inference.model_package import Card, InvalidModel, load_network, onnx_forward
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.heads.backbones import build_backbone
from services.trainer.heads.experiment import measure_head
from services.trainer.heads.network import join_network
from services.trainer.heads.selection import ChosenHead, EmbeddedViews, choose_head
from services.trainer.loading.batches import DeviceImages
from services.trainer.models.export import export_package
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data

AGREE = 1e-4  # of probabilities
SMALL = {"network": "smallnet", "image_size": 32, "layers": ["features.3", "features.7:spread"]}
LARGE = {"network": "customnet", "image_size": 48, "mean": [0.5] * 3, "std": [0.5] * 3}
TOKENS = {"network": "timm/test_vit", "image_size": 64, "layers": ["blocks.0"]}


@dataclass(frozen=True)
class Fitted:
    """A head that was fitted on features, and the images that these were computed from."""

    recipe: HeadRecipe
    embedded: EmbeddedViews
    chosen: ChosenHead
    network: HeadNetwork
    images: DeviceImages

    @property
    def expected(self) -> NDArray[np.float64]:
        """The trainer's probabilities of all views, from features."""
        rows = np.arange(len(self.embedded.views.index))
        features = self.chosen.features(self.embedded.blocks, rows)
        return np.exp(self.chosen.head.log_probabilities(features))

    def inputs(self) -> NDArray[np.float32]:
        rows = np.arange(len(self.embedded.views.index))
        (batch,) = self.images.batches(rows, len(rows))
        return batch.images.contiguous().numpy()


def fitted(*backbones: dict[str, Any], **head: Any) -> Fitted:
    table = {"name": "tiny", "backbones": backbones, "head": {"folds": 2, **head}}
    recipe = validated_head(table)
    views = tiny_split_data(tiny_recipe())
    size = recipe.image.size
    pixels = np.random.default_rng(3).integers(0, 256, (len(views.index), size, size, 3), np.uint8)
    images = DeviceImages(pixels, views.labels, recipe.image, CPU)
    frozen = [build_backbone(one, recipe.image, CPU) for one in recipe.backbones]
    rows = np.arange(len(views.index))
    blocks = [
        block
        for one in frozen
        for block in np.split(predict_logits(one, images, rows), np.cumsum(one.widths)[:-1], axis=1)
    ]
    embedded = EmbeddedViews(views, tuple(blocks))
    chosen = choose_head(embedded, recipe.head, recipe.seed)
    return Fitted(recipe, embedded, chosen, join_network(frozen, chosen), images)


@pytest.fixture(scope="module")
def of_two() -> Fitted:
    return fitted(LARGE, SMALL)


@pytest.fixture(scope="module")
def package(of_two: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    report = measure_head(of_two.recipe, of_two.embedded, of_two.chosen).report
    then = datetime(2026, 1, 2, tzinfo=UTC)
    export_package(folder, of_two.network, of_two.recipe, report, then)
    return folder


def card_of(package: Path) -> Card:
    card: Card = json.loads((package / "model.json").read_text())
    return card


def probabilities_by(network: nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.inference_mode():
        return np.exp(log_softmax(network(torch.from_numpy(inputs)).numpy()))


def test_trainer_torch_and_onnx_give_the_same_probabilities(of_two: Fitted, package: Path) -> None:
    card = card_of(package)
    onnx = np.exp(log_softmax(onnx_forward(package, card)(of_two.inputs()).logits))
    rebuilt = probabilities_by(load_network(package, card, "cpu"), of_two.inputs())
    assert np.abs(onnx - of_two.expected).max() < AGREE
    assert np.abs(rebuilt - of_two.expected).max() < AGREE


@pytest.mark.parametrize(
    ("backbone", "head"),
    [(SMALL, {"scaling": "unit-length", "model": "least-squares"}), (TOKENS, {"scaling": "none"})],
    ids=["unit length", "tokens"],
)
def test_the_network_gives_the_probabilities_of_the_features(
    backbone: dict[str, Any], head: dict[str, Any]
) -> None:
    one = fitted(backbone, **head)
    assert np.abs(probabilities_by(one.network, one.inputs()) - one.expected).max() < AGREE


def test_the_card_describes_the_backbones(package: Path) -> None:
    card = ModelCard.model_validate(card_of(package))
    assert card.image == ImageSpec(size=48, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert card.network == "customnet@48 and smallnet@32+features.3+features.7:spread"
    assert card.backbones[1] == BackboneSpec(
        network="smallnet", image=ImageSpec(size=32), layers=("features.3", "features.7:spread")
    )


@pytest.mark.parametrize(
    "change", [{"network": "nothing"}, {"layers": ["nowhere"]}, {"network": "resnet18"}]
)
def test_a_description_that_does_not_fit_the_weights_is_refused(
    package: Path, change: dict[str, Any]
) -> None:
    card = card_of(package)
    card["backbones"][1] |= change
    with pytest.raises(InvalidModel, match="Could not build"):
        load_network(package, card, "cpu")


def test_images_are_resized_as_torch_does_and_normalised_anew() -> None:
    given = {"size": 50, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    wanted = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    pixels = torch.rand(2, 3, 50, 50)
    mean, std = (torch.tensor(given[key])[:, None, None] for key in ("mean", "std"))
    resized = interpolate(pixels, 32, mode="bilinear", align_corners=False, antialias=True)
    adapted = ImageAdapter(given, wanted)((pixels - mean) / std)
    torch.testing.assert_close(adapted, (resized - 0.5) / 0.25, atol=1e-5, rtol=1e-5)
    assert not list(ImageAdapter(given, given).buffers())


@pytest.mark.parametrize(
    ("backbones", "method"),
    [((SMALL,), GRAD_CAM), ((LARGE, SMALL), GRAD_CAM), ((TOKENS, SMALL), INPUT_X_GRADIENT)],
    ids=["layers", "two backbones", "tokens"],
)
def test_heads_are_explained(backbones: tuple[dict[str, Any], ...], method: str) -> None:
    one = fitted(*backbones)
    size = one.recipe.image.size
    found, maps = heat_maps(one.network, one.inputs()[:2], 1)
    assert (found, maps.shape) == (method, (2, size, size))
    assert np.isfinite(maps).all()
    assert maps.max() == pytest.approx(1)


def test_every_country_has_an_output(of_two: Fitted) -> None:
    assert of_two.network(torch.from_numpy(of_two.inputs()[:2])).shape == (2, len(COUNTRIES))
