"""Explains predictions: a heat map of each photo, and what each photo contributes.

This file is part of each model archive, so it needs no other module; the classifier is passed in.
"""

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAD_CAM = "grad-cam"
INPUT_X_GRADIENT = "input-x-gradient"
MIN_MAP_SIDES = (4, 2)  # of a feature map: preferred, and accepted if there is no larger one
PATCH = 16  # pixels


class ViewClassifier(Protocol):
    """The parts of the classifier that explanations need."""

    def inputs(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Convert photos to N x 3 x S x S."""

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; returns N x countries."""

    def fused(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Fuse the views' logits to country probabilities."""

    def answer(self, probabilities: NDArray[np.float64], views: int) -> dict[str, Any]:
        """Build a serving.Prediction."""


class Explainer:
    """Explains a classifier's predictions; loads the torch network at the first request."""

    def __init__(self, classifier: ViewClassifier, load: Callable[[], "nn.Module"]) -> None:
        self._classifier = classifier
        self._load = load
        self._network: nn.Module | None = None

    def explain(self, photos: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
        """Explain the prediction for 1..8 decoded photos of one place, as serving.Explanation."""
        inputs = self._classifier.inputs(photos)
        logits = self._classifier.logits(inputs)
        probabilities = self._classifier.fused(logits)
        country = int(np.argmax(probabilities))
        if self._network is None:
            self._network = self._load()
        method, maps = heat_maps(self._network, inputs, country)
        effects = leave_one_out(logits, country, self._classifier.fused)
        answer = self._classifier.answer(probabilities, len(photos))
        return {
            **{name: answer[name] for name in ("country_code", "country", "probability", "model")},
            "method": method,
            "views": [
                {"heat_map": grey_png(one), "effect": effect}
                for one, effect in zip(maps, effects, strict=True)
            ],
        }


def leave_one_out(
    logits: NDArray[np.float32],
    country: int,
    fused: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> list[float | None]:
    """Return how much each view adds to a country's probability; None for a single view."""
    if len(logits) == 1:
        return [None]
    with_all = fused(logits)[country]
    return [
        round(float(with_all - fused(np.delete(logits, view, axis=0))[country]), 6)
        for view in range(len(logits))
    ]


def heat_maps(
    network: "nn.Module", inputs: NDArray[np.float32], country: int
) -> tuple[str, NDArray[np.float32]]:
    """Return the name of the method and N x S x S maps in 0..1 for N x 3 x S x S inputs.

    The method is Grad-CAM (Selvaraju et al. 2017) on the last feature map or, for transformers
    without such a map, input times gradient (Shrikumar et al. 2016), averaged per patch. Logits
    that are a sum of parts, as those of a head on several backbones, have a map of each part,
    added up. Each map is divided by its largest value; 0 means no evidence for the country.
    """
    import torch

    device = next(network.parameters()).device
    images = torch.from_numpy(inputs).to(device)
    parts = list(getattr(network, "parts", [network]))
    layers = [last_feature_map(part, images[:1]) for part in parts]
    if all(layer is not None for layer in layers):
        method = GRAD_CAM
        coarse = [_grad_cam(*pair, images, country) for pair in zip(parts, layers, strict=True)]
    else:
        method, coarse = INPUT_X_GRADIENT, [_patch_gradients(network, images, country)]
    maps = torch.stack([_evidence(one, images.shape[-2:]) for one in coarse]).sum(dim=0)
    largest = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    return method, np.asarray((maps / largest).cpu().numpy())


def _evidence(coarse: "Tensor", size: Sequence[int]) -> "Tensor":
    """Enlarge N x 1 x H x W maps; a cell of a coarse map counts as the cells that it covers."""
    import torch

    cells = coarse.shape[-2] * coarse.shape[-1]
    maps = torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return maps.squeeze(1).clamp(min=0) * cells


def last_feature_map(network: "nn.Module", image: "Tensor") -> "nn.Module | None":
    """Find the last module with a spatial output that no residual connection bypasses.

    None for transformers, whose feature maps are followed by tokens, and for channels-last maps.
    """
    formats = {str(getattr(module, "output_fmt", "NCHW")) for module in network.modules()}
    if formats != {"NCHW"}:  # an attribute of timm's networks
        return None
    outputs = _outputs(network, image)
    maps = [
        index
        for side in MIN_MAP_SIDES
        for index, (module, shape) in reversed(list(enumerate(outputs)))
        if len(shape) == 4 and min(shape[2:]) >= side and not ends_in_pooling(module)
    ]
    for index in maps:
        module, shape = outputs[index]
        if not _is_passed_by(network, module, image):
            has_tokens = any(len(later) == 3 for _, later in outputs[index:])
            is_channels_last = shape[2] != shape[3]  # images are square
            return None if has_tokens or is_channels_last else module
    return None


def _outputs(network: "nn.Module", image: "Tensor") -> list[tuple["nn.Module", tuple[int, ...]]]:
    """List modules with the shapes of their outputs, in the order of their last calls."""
    import torch

    outputs: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: "nn.Module", _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            outputs.pop(module, None)
            outputs[module] = tuple(output.shape)

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.inference_mode():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return list(outputs.items())


def _is_passed_by(network: "nn.Module", module: "nn.Module", image: "Tensor") -> bool:
    """Return True if the image also reaches the logits by another path, such as a residual one."""
    import torch

    pixels = image.detach().clone().requires_grad_()
    hook = module.register_forward_hook(lambda _, __, output: output.detach().clone())
    try:
        logits = network(pixels).sum()
    finally:
        hook.remove()
    if not logits.requires_grad:  # no parameters after the module
        return False
    (gradient,) = torch.autograd.grad(logits, pixels, allow_unused=True)
    return gradient is not None


def ends_in_pooling(module: "nn.Module") -> bool:
    """Return True if a module ends in pooling or dropout, which lose the spatial positions."""
    children = list(module.children())
    if children and type(module).__name__ == "Sequential":
        return ends_in_pooling(children[-1])
    return not children and ("Pool" in type(module).__name__ or "Dropout" in type(module).__name__)


def grey_png(heat_map: NDArray[np.float32]) -> str:
    """Encode an S x S map in 0..1 as an 8-bit greyscale PNG in Base64."""
    buffer = io.BytesIO()
    Image.fromarray((heat_map * 255).round().astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _grad_cam(
    network: "nn.Module", layer: "nn.Module | None", images: "Tensor", country: int
) -> "Tensor":
    from captum.attr import LayerGradCam

    attribution = LayerGradCam(network, layer)
    maps: Tensor = attribution.attribute(images, target=country, relu_attributions=True)
    return maps.detach()


def _patch_gradients(network: "nn.Module", images: "Tensor", country: int) -> "Tensor":
    import torch
    from captum.attr import InputXGradient

    per_pixel = InputXGradient(network).attribute(images.requires_grad_(), target=country)
    summed = per_pixel.detach().sum(dim=1, keepdim=True)
    patches = max(MIN_MAP_SIDES[-1], images.shape[-1] // PATCH)
    return torch.nn.functional.adaptive_avg_pool2d(summed, patches)
