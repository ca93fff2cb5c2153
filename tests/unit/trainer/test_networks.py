"""Networks: the study's five and torchvision's, with heads for our countries."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from services.trainer.networks import (
    STUDY_NETWORKS,
    UnknownNetwork,
    WeightsMismatch,
    build_network,
    check_image_size,
    load_backbone,
    network_names,
)

COUNTRIES = 7


@pytest.mark.parametrize("name", [*STUDY_NETWORKS, "smallnet", "squeezenet1_1", "swin_t"])
def test_each_network_answers_with_one_logit_per_country(name: str) -> None:
    with torch.device("meta"):  # shapes without arithmetic: VGG16 has 134 million parameters
        network = build_network(name, COUNTRIES).eval()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, COUNTRIES)


@pytest.mark.parametrize("name", ["customnet", "smallnet", "googlenet"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_networks_take_small_images(name: str, size: int) -> None:
    check_image_size(build_network(name, COUNTRIES), size)


def test_an_image_that_is_too_small_is_refused_in_words() -> None:
    with pytest.raises(WeightsMismatch, match="64 x 64 pixels"):
        check_image_size(build_network("inception_v3", COUNTRIES), 64)


def test_an_unknown_network_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownNetwork, match=r"'resnet5'.*customnet.*resnet50"):
        build_network("resnet5", COUNTRIES)


def test_networks_of_timm_are_built_by_name() -> None:
    with torch.device("meta"):
        network = build_network("timm/tf_efficientnet_lite0", COUNTRIES).eval()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, COUNTRIES)
    with pytest.raises(UnknownNetwork, match="timm has no network 'nothing'"):
        build_network("timm/nothing", COUNTRIES)


def test_the_first_resnet_strides_before_the_second_convolution() -> None:
    with torch.device("meta"):
        block = build_network("resnet50_v1", COUNTRIES).get_submodule("layer2.0")
        assert block.get_submodule("conv1")(torch.empty(1, 256, 16, 16)).shape[-1] == 8
        assert block.get_submodule("bn1").eps == 1e-3


def test_detection_and_segmentation_networks_are_not_listed() -> None:
    assert not [name for name in network_names() if "rcnn" in name or "deeplab" in name]


def test_weights_of_another_head_load_but_for_the_head(tmp_path: Path) -> None:
    trained = build_network("customnet", 32)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    network = build_network("customnet", COUNTRIES, str(tmp_path / "weights.safetensors"))
    ours, theirs = network.state_dict(), trained.state_dict()
    assert torch.equal(ours["features.0.weight"], theirs["features.0.weight"])
    assert ours["classifier.4.weight"].shape == (COUNTRIES, 256)


def test_a_fitting_head_is_loaded_too() -> None:
    trained, network = build_network("customnet", 5), build_network("customnet", 5)
    assert load_backbone(network, trained.state_dict()) == []
    assert torch.equal(
        network.state_dict()["classifier.4.bias"], trained.state_dict()["classifier.4.bias"]
    )


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsMismatch, match="belong to another network"):
        load_backbone(build_network("customnet", 5), build_network("resnet18", 5).state_dict())


def test_a_truncated_weights_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(build_network("customnet", 5).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMismatch, match="not a complete"):
        build_network("customnet", 5, str(path))


def test_a_missing_weights_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        build_network("customnet", 5, str(tmp_path / "none.safetensors"))


def test_the_module_needs_nothing_of_this_project() -> None:
    source = Path(build_network.__code__.co_filename).read_text()
    assert "euguess" not in source
    assert "from services" not in source
