"""Heat maps and leave-one-out effects of tiny networks."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from services.inference.classifier import fuse
from services.inference.explanation import (
    GRAD_CAM,
    INPUT_X_GRADIENT,
    grey_png,
    heat_maps,
    last_feature_map,
    leave_one_out,
)
from services.networks import SmallNet, build_network

SIZE = 32


class BrightnessNet(nn.Module):
    """Predicts country 1 for images with a bright spot, else country 0."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        with torch.no_grad():
            self.blur.weight[0] = -1.0
            self.blur.weight[1] = 1.0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.pool(self.blur(images).relu()).flatten(1)
        return logits


class TokenNet(nn.Module):
    """A linear layer on the mean of tokens, one per patch, as in a vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8)
        self.block = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.block(self.patches(images).flatten(2).transpose(1, 2))
        logits: Tensor = self.head(tokens.mean(dim=1))
        return logits


def _bright_corner() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    images = np.full((2, 3, SIZE, SIZE), -1, np.float32)
    images[0, :, :8, :8] = 1
    images[1, :, -8:, -8:] = 1
    return images


def test_each_view_is_bright_where_it_supports_the_country() -> None:
    method, maps = heat_maps(BrightnessNet(), _bright_corner(), 1)
    assert method == GRAD_CAM
    assert maps.shape == (2, SIZE, SIZE)
    assert maps[0, 3, 3] == pytest.approx(1)
    assert maps[0, -4, -4] == 0
    assert maps[1, -4, -4] == pytest.approx(1)
    assert maps[1, 3, 3] == 0


def test_the_other_country_has_a_different_map() -> None:
    _, maps = heat_maps(BrightnessNet(), _bright_corner(), 0)
    assert maps[0, 3, 3] < 0.5 < maps[0, -4, -4]


def test_a_view_without_evidence_for_the_country_is_black() -> None:
    _, maps = heat_maps(BrightnessNet(), np.full((1, 3, SIZE, SIZE), -1, np.float32), 1)
    assert maps.max() == 0


def test_tokens_are_explained_by_gradients() -> None:
    torch.manual_seed(0)
    method, maps = heat_maps(TokenNet().eval(), _bright_corner(), 1)
    assert method == INPUT_X_GRADIENT
    assert maps.shape == (2, SIZE, SIZE)
    assert np.isfinite(maps).all()


def test_the_map_is_taken_before_pooling_loses_the_positions() -> None:
    network = SmallNet(2).eval()
    layer = last_feature_map(network, torch.zeros(1, 3, SIZE, SIZE))
    assert layer is not None
    with torch.no_grad():
        found: list[torch.Size] = []
        layer.register_forward_hook(lambda _, __, output: found.append(output.shape))
        network(torch.zeros(1, 3, SIZE, SIZE))
    assert found == [torch.Size((1, 128, 4, 4))]


def test_leaving_out_the_most_convincing_view_lowers_the_probability() -> None:
    logits = np.array([[0, 5], [0, 0], [1, 0]], np.float32)
    effects = leave_one_out(logits, 1, lambda rows: fuse(rows, 1.0))
    with_all = 1 / (1 + np.exp(-4 / 3))
    without_first = 1 / (1 + np.exp(0.5))
    assert effects[0] == pytest.approx(with_all - without_first, abs=1e-6)
    assert effects[2] is not None
    assert effects[2] < 0


def test_a_single_view_has_no_leave_one_out_effect() -> None:
    assert leave_one_out(np.zeros((1, 2), np.float32), 0, lambda rows: fuse(rows, 1.0)) == [None]


def test_the_png_is_greyscale_and_has_the_input_size() -> None:
    picture = Image.open(io.BytesIO(base64.b64decode(grey_png(np.eye(SIZE, dtype=np.float32)))))
    assert (picture.mode, picture.size, picture.getextrema()) == ("L", (SIZE, SIZE), (0, 255))


class ResidualNet(nn.Module):
    """A ReLU that is called twice, and a convolution with a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Conv2d(3, 4, 4, stride=4)
        self.branch = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(8)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.whole(images)
        logits: Tensor = self.relu(self.pool(maps + self.relu(self.branch(maps)))).flatten(1)
        return logits


def test_a_map_that_a_residual_connection_bypasses_is_not_used() -> None:
    network = ResidualNet()
    assert last_feature_map(network, torch.zeros(1, 3, SIZE, SIZE)) is network.whole


@pytest.mark.parametrize("name", ["googlenet", "convnext_tiny", "efficientnet_b0", "vit_b_16"])
def test_a_feature_map_is_found_in_each_family_of_networks(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name, 2, image_size=64).eval()
        layer = last_feature_map(network, torch.zeros(1, 3, 64, 64))
    assert (layer is None) == name.startswith("vit")


def test_a_channels_last_map_is_not_used() -> None:
    with torch.device("meta"):
        network = build_network("swin_t", 2, image_size=64).eval()
        assert last_feature_map(network, torch.zeros(1, 3, 64, 64)) is None


def test_a_module_that_is_called_twice_counts_with_its_last_output() -> None:
    """The ReLU of a block of ResNet-50 first gives 4 x 4, then 2 x 2 positions."""
    with torch.device("meta"):
        network = build_network("resnet50", 2, image_size=64).eval()
        layer = last_feature_map(network, torch.zeros(1, 3, 64, 64))
    assert layer is network.get_submodule("layer3")


def test_a_network_of_torchvision_is_explained_at_a_small_size() -> None:
    torch.manual_seed(0)
    network = build_network("regnet_y_400mf", 2, image_size=64).eval()
    method, maps = heat_maps(network, np.ones((1, 3, 64, 64), np.float32), 1)
    assert (method, maps.shape) == (GRAD_CAM, (1, 64, 64))
    assert 0 <= maps.min() <= maps.max() <= 1
