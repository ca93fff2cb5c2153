"""An average of the weights over the steps of a training."""

import copy

import torch
from torch import nn

WARMUP_STEPS = 10


class WeightAverage:
    """Exponential moving average (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    In step t the decay is at most (t + 1) / (t + 10), as in TensorFlow, so that the random weights
    of the start are soon forgotten. Batch statistics are averaged likewise.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.steps = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        decay = min(self._decay, (self.steps + 1) / (self.steps + WARMUP_STEPS))
        self.steps += 1
        newest = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(newest[name], 1 - decay)
            else:
                average.copy_(newest[name])
