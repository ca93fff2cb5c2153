"""Fine-tuning: depth groups of any network, frozen layers, learning rates by depth."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from euguess.training.recipes.sections import FineTuning, Optimisation
from services.networks import build_network
from services.trainer.loading.batches import Batch
from services.trainer.training.fine_tuning import (
    depth_groups,
    freeze,
    parameter_groups,
    set_training_mode,
)
from services.trainer.training.learner import new_learner
from services.trainer.training.losses import Criterion
from tests.support.tiny_training import CPU, SIZE, tiny_recipe


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build_network(name, 5, image_size=64)


@pytest.mark.parametrize(
    ("name", "depths", "stem", "last_block"),
    [
        ("smallnet", 4, "features.0.weight", "features.8.weight"),
        ("vgg16", 16, "features.0.weight", "classifier.3.weight"),
        ("googlenet", 13, "conv1.conv.weight", "inception5b.branch1.conv.weight"),
        ("resnet50", 18, "conv1.weight", "layer4.2.conv1.weight"),
        ("convnext_tiny", 23, "features.0.0.weight", "features.7.2.layer_scale"),
        ("efficientnet_v2_s", 43, "features.0.0.weight", "features.6.14.block.0.0.weight"),
        ("vit_b_16", 14, "class_token", "encoder.layers.encoder_layer_11.ln_1.weight"),
        ("timm/tf_efficientnet_lite0", 19, "conv_stem.weight", "blocks.6.0.conv_pw.weight"),
        ("timm/test_vit", 8, "cls_token", "blocks.5.norm1.weight"),
    ],
)
def test_depths_are_found_without_knowing_the_network(
    name: str, depths: int, stem: str, last_block: str
) -> None:
    network = on_meta(name)
    groups = depth_groups(network)
    assert (len(groups), groups[0][0]) == (depths, stem)
    grouped = Counter(parameter for group in groups for parameter in group)
    assert grouped == Counter(dict(network.named_parameters()).keys())
    freeze(network, FineTuning(trained="last-block"))
    assert trained_names(network)[0] == last_block


def trained_names(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def test_training_only_the_head_freezes_all_but_the_last_layer() -> None:
    network = on_meta("resnet50")
    freeze(network, FineTuning(trained="head"))
    assert trained_names(network) == ["fc.weight", "fc.bias"]


def test_all_layers_are_trained_by_default() -> None:
    network = on_meta("resnet50")
    freeze(network, FineTuning())
    set_training_mode(network)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_frozen_parts_keep_their_weights_and_batch_statistics(tmp_path: Path) -> None:
    save_file(build_network("smallnet", 5).state_dict(), tmp_path / "weights.safetensors")
    weights = f"weights={tmp_path / 'weights.safetensors'}"
    learner = new_learner(tiny_recipe(weights, "fine_tuning.trained=last-block"), 3, CPU)
    before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    set_training_mode(learner.network)
    batch = Batch(torch.randn(8, 3, SIZE, SIZE), torch.arange(8) % 3)
    learner.learn(batch, Criterion())
    after = learner.network.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed >= {"classifier.2.weight", "features.8.weight", "features.9.running_mean"}
    assert not [
        name for name in changed if name.startswith(("features.0", "features.1", "features.4"))
    ]
    assert learner.network.get_submodule("classifier.1").training  # dropout of the head


def test_each_depth_has_a_lower_learning_rate_than_the_next() -> None:
    groups = parameter_groups(on_meta("smallnet"), Optimisation(learning_rate=1.0), 0.5)
    assert [group["lr"] for group in groups] == [0.125, 0.25, 0.5, 1.0]


def test_norms_and_biases_can_be_excluded_from_weight_decay() -> None:
    network = on_meta("convnext_tiny")
    sparing = Optimisation(weight_decay=0.1, decayed="matrices")
    decayed, spared = parameter_groups(network, sparing, 1.0)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert {name.rpartition(".")[2] for name in names_of(network, spared["params"])} == {
        "bias",
        "layer_scale",
        "weight",  # of layer norms
    }
    assert all(len(parameter.squeeze().shape) >= 2 for parameter in decayed["params"])


def names_of(network: nn.Module, parameters: list[nn.Parameter]) -> list[str]:
    wanted = {id(parameter) for parameter in parameters}
    return [name for name, parameter in network.named_parameters() if id(parameter) in wanted]


def test_by_default_one_group_holds_all_parameters_in_order() -> None:
    network = on_meta("smallnet")
    (group,) = parameter_groups(network, Optimisation(), 1.0)
    assert names_of(network, group["params"]) == [name for name, _ in network.named_parameters()]
