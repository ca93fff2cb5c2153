"""EfficientNet-Lite0: EfficientNet-B0 for CPUs, without squeeze-and-excitation and with ReLU6.

As Google published it in 2020 for TensorFlow, whose convolutions pad unevenly. The names of its
tensors are those of timm's tf_efficientnet_lite0. This file is part of each model archive.
"""

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

EPSILON = 1e-3
STEM, FEATURES = 32, 1280
EXPANSION = 6
# Blocks, kernel, stride of the first block, channels.
STAGES = (
    *((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80)),
    *((3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)),
)


class EfficientNetLite0(nn.Module):
    """4.7 million parameters, of which 3.4 million are below the head."""

    def __init__(self, num_countries: int) -> None:
        super().__init__()
        self.conv_stem = _SameConvolution(3, STEM, 3, stride=2, bias=False)
        self.bn1 = _NormReLU6(STEM, eps=EPSILON)
        self.blocks = nn.Sequential(*_stages())
        self.conv_head = nn.Conv2d(STAGES[-1][-1], FEATURES, 1, bias=False)
        self.bn2 = _NormReLU6(FEATURES, eps=EPSILON)
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(FEATURES, num_countries)

    def forward(self, images: Tensor) -> Tensor:
        """Map N x 3 x S x S normalised images (S >= 32) to N x countries logits."""
        maps = self.blocks(self.bn1(self.conv_stem(images)))
        logits: Tensor = self.classifier(self.global_pool(self.bn2(self.conv_head(maps))))
        return logits


def _stages() -> list[nn.Module]:
    stages: list[nn.Module] = []
    channels_in = STEM
    for blocks, kernel, stride, channels in STAGES:
        block = _Inverted if stages else _Separable
        stage = [block(channels_in, channels, kernel, stride)]
        stage += [block(channels, channels, kernel, 1) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(*stage))
        channels_in = channels
    return stages


class _SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow does: an odd pixel goes to the right and the bottom."""

    def forward(self, maps: Tensor) -> Tensor:
        height, width = (self._padding(size) for size in maps.shape[2:])
        return super().forward(pad(maps, (*width, *height)))

    def _padding(self, size: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        whole = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        return whole // 2, whole - whole // 2


class _NormReLU6(nn.BatchNorm2d):
    def forward(self, maps: Tensor) -> Tensor:
        return relu6(super().forward(maps))


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    return _SameConvolution(channels, channels, kernel, stride=stride, groups=channels, bias=False)


class _Separable(nn.Module):
    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(channels_in, kernel, stride)
        self.bn1 = _NormReLU6(channels_in, eps=EPSILON)
        self.conv_pw = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=EPSILON)

    def forward(self, maps: Tensor) -> Tensor:
        result: Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(maps))))
        return result


class _Inverted(nn.Module):
    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * channels_in
        self.conv_pw = nn.Conv2d(channels_in, wide, 1, bias=False)
        self.bn1 = _NormReLU6(wide, eps=EPSILON)
        self.conv_dw = _depthwise(wide, kernel, stride)
        self.bn2 = _NormReLU6(wide, eps=EPSILON)
        self.conv_pwl = nn.Conv2d(wide, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels, eps=EPSILON)
        self.is_residual = stride == 1 and channels_in == channels

    def forward(self, maps: Tensor) -> Tensor:
        wide = self.bn2(self.conv_dw(self.bn1(self.conv_pw(maps))))
        result: Tensor = self.bn3(self.conv_pwl(wide))
        return result + maps if self.is_residual else result
