"""Fine-tuning: choose the layers to train, and the learning rate at each depth."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from euguess.training.recipes.sections import FineTuning, Optimisation
from services.networks import head_name

CONTAINERS = (nn.Sequential, nn.ModuleList)
BLOCK_MATRICES = 2  # fewer make a single layer, not a block

Group = list[str]  # names of parameters


def depth_groups(network: nn.Module) -> list[Group]:
    """Group all parameter names by depth, from the stem to the head, which is the last group.

    Children are taken in order of registration, which in torchvision and timm is the order of use.
    Containers are expanded, and so is a module that has most of the parameters. Modules without a
    weight matrix (norms) join the layer before them; loose parameters join the stem.
    """
    parameters = dict(network.named_parameters())
    head = f"{head_name(network)}."
    groups: list[Group] = []
    for unit, module in _units(network, "", _size(network) / 2):
        names = [f"{unit}.{name}" for name, _ in module.named_parameters()]
        body = [name for name in names if not name.startswith(head)]
        if groups and not any(is_matrix(parameters[name]) for name in body):
            groups[-1] += body
        elif body:
            groups.append(body)
    grouped = {name for group in groups for name in group}
    loose = [name for name in parameters if name not in grouped and not name.startswith(head)]
    stem, *others = groups or [[]]
    return [[*loose, *stem], *others, [name for name in parameters if name.startswith(head)]]


def freeze(network: nn.Module, recipe: FineTuning) -> None:
    """Freeze everything that the recipe does not train.

    "last-block" is the last group with several weight matrices (in a plain chain of layers the
    last one before the head) and everything after it.
    """
    if recipe.trained == "all":
        return
    groups = depth_groups(network)
    parameters = dict(network.named_parameters())
    first = len(groups) - 1 if recipe.trained == "head" else _last_block(groups, parameters)
    for name in (name for group in groups[:first] for name in group):
        parameters[name].requires_grad_(False)


def set_training_mode(network: nn.Module) -> None:
    """Set training mode, but keep frozen modules (batch statistics, dropout) in evaluation mode."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def parameter_groups(
    network: nn.Module, optimisation: Optimisation, layer_decay: float
) -> list[dict[str, Any]]:
    """Return the optimiser's parameter groups; the head has the full learning rate.

    The rate of each depth group is layer_decay times that of the one above it (Clark et al.,
    ELECTRA, 2020; Bao et al., BEiT, 2021).
    """
    groups = depth_groups(network)
    height = {name: len(groups) - 1 - depth for depth, names in enumerate(groups) for name in names}
    chosen: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            is_decayed = optimisation.decayed == "all" or is_matrix(parameter)
            chosen.setdefault((layer_decay ** height[name], is_decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": optimisation.learning_rate * scale,
            "weight_decay": optimisation.weight_decay if is_decayed else 0.0,
        }
        for (scale, is_decayed), parameters in chosen.items()
    ]


def is_matrix(parameter: Tensor) -> bool:
    """Return whether a parameter mixes channels or pixels, unlike bias, norm and class token."""
    return sum(size > 1 for size in parameter.shape) > 1


def _units(module: nn.Module, prefix: str, large: float) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and submodule for each depth."""
    for name, child in module.named_children():
        has_children = any(_size(grandchild) for grandchild in child.children())
        is_large = has_children and _size(child) > large
        if type(child) in CONTAINERS or is_large:
            yield from _units(child, f"{prefix}{name}.", large)
        else:
            yield f"{prefix}{name}", child


def _last_block(groups: list[Group], parameters: dict[str, nn.Parameter]) -> int:
    body = range(len(groups) - 1)
    matrices = [sum(is_matrix(parameters[name]) for name in groups[depth]) for depth in body]
    blocks = [depth for depth in body if matrices[depth] >= BLOCK_MATRICES]
    return (blocks or list(body))[-1]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
