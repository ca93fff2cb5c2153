"""Join backbones, scaler and linear head to one network."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from services.head_network import FrozenBackbone, HeadNetwork, HeadPart
from services.trainer.dataset.view_index import Floats
from services.trainer.heads.selection import ChosenHead


def join_network(backbones: Sequence[FrozenBackbone], chosen: ChosenHead) -> HeadNetwork:
    """Return the network, on the CPU in evaluation mode, that computes the chosen head's logits.

    backbones: in the order of the recipe, which is that of the features.
    """
    model, scaler = chosen.head, chosen.scaler
    scalers = iter(scaler.blocks)
    rows = 0
    parts = []
    for backbone in backbones:
        blocks = [next(scalers) for _ in backbone.widths]
        part = HeadPart(backbone, len(model.bias), unit_length=blocks[0].has_unit_length)
        _fill(part.mean, np.concatenate([block.mean for block in blocks]))
        _fill(part.factor, np.concatenate([b.factor for b in blocks]) / np.sqrt(len(scaler.blocks)))
        width = sum(backbone.widths)
        _fill(part.weights.weight.data, model.weights[rows : rows + width].T)
        rows += width
        parts.append(part)
    network = HeadNetwork(parts, len(model.bias))
    _fill(network.bias.data, model.bias)
    return network.eval()


def _fill(target: Tensor, values: Floats) -> None:
    target.copy_(torch.from_numpy(values))
