"""Features of frozen backbones: correct, stored once, resumed after a kill."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from euguess.errors import InvalidRecipe
from euguess.training.recipes.head_recipe import Backbone
from services.networks import build_network
from services.trainer.cache.format import CacheHeader, TensorCache
from services.trainer.heads.backbones import build_backbone
from services.trainer.heads.embeddings import (
    BATCH_ROWS,
    FEATURES,
    HEADER,
    Embeddings,
    embed,
)
from services.trainer.progress import Progress, no_progress
from tests.support.tiny_training import CPU

SIZE = 32
SMALL = Backbone(network="smallnet", image_size=SIZE)
CHUNK_ROWS = 2 * BATCH_ROWS["cpu"]
VIEWS = 2 * CHUNK_ROWS + 5


@pytest.fixture(autouse=True)
def _chunks_of_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.heads.embeddings.CHUNK_BATCHES", 2)


def cache_of(folder: Path, views: int = VIEWS, *, seed: int = 0) -> TensorCache:
    pixels = np.random.default_rng(seed).integers(0, 256, (views, SIZE, SIZE, 3), dtype=np.uint8)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    header = CacheHeader(
        dataset="tiny",
        manifest_digest=digest,
        size=SIZE,
        images=views,
        images_bytes=pixels.nbytes,
        index_sha256=digest,
    )
    return TensorCache(folder, header, pixels, pa.table({}))


def embedded(
    home: Path, backbone: Backbone = SMALL, progress: Progress = no_progress, *, seed: int = 0
) -> Embeddings:
    return embed(cache_of(home, seed=seed), backbone, backbone.image, home, CPU, progress)


def kill_after_a_chunk(done: int, total: int) -> None:
    if done > CHUNK_ROWS:
        raise KeyboardInterrupt


def test_features_are_the_input_of_the_head(tmp_path: Path) -> None:
    found = embedded(tmp_path)
    network = build_backbone(SMALL, SMALL.image, CPU).network
    pixels = torch.from_numpy(cache_of(tmp_path).images[:CHUNK_ROWS]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(colour)[:, None, None] for colour in (SMALL.mean, SMALL.std))
    with torch.inference_mode():
        pooled = network.get_submodule("features")((pixels - mean) / std).flatten(1)
    assert found.features.shape == (VIEWS, 512)
    np.testing.assert_allclose(found.features[:CHUNK_ROWS], pooled.numpy(), atol=1e-5)


def test_features_from_disk_equal_recomputed_ones_bit_for_bit(tmp_path: Path) -> None:
    first = embedded(tmp_path / "one")
    steps: list[int] = []
    again = embedded(tmp_path / "one", progress=lambda done, total: steps.append(done))
    assert steps == []
    afresh = embedded(tmp_path / "other")
    assert first.features.tobytes() == again.features.tobytes() == afresh.features.tobytes()


def test_a_killed_computation_resumes_with_the_same_features(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        embedded(tmp_path / "killed", progress=kill_after_a_chunk)
    (chunk,) = (tmp_path / "killed").rglob("chunk-*.npy")
    written = chunk.stat().st_mtime_ns
    with pytest.raises(KeyboardInterrupt):
        embedded(tmp_path / "killed", progress=kill_after_a_chunk)
    assert chunk.stat().st_mtime_ns == written
    continued = embedded(tmp_path / "killed")
    assert continued.features.tobytes() == embedded(tmp_path / "whole").features.tobytes()
    assert sorted(path.name for path in continued.folder.iterdir()) == [HEADER, FEATURES, "lock"]


def test_progress_counts_each_batch_and_each_chunk_is_one_file(tmp_path: Path) -> None:
    steps: list[int] = []
    files: set[str] = set()

    def progress(done: int, total: int) -> None:
        steps.append(done)
        files.update(path.name for path in tmp_path.rglob("chunk-*.npy"))

    embedded(tmp_path, progress=progress)
    assert steps == [32, 64, 96, 128, 133]
    assert files == {"chunk-0000000-0000064.npy", "chunk-0000064-0000128.npy"}


def test_chunks_of_another_size_are_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        embedded(tmp_path / "killed", progress=kill_after_a_chunk)
    monkeypatch.setattr("services.trainer.heads.embeddings.CHUNK_BATCHES", 1)
    continued = embedded(tmp_path / "killed")
    assert continued.features.tobytes() == embedded(tmp_path / "whole").features.tobytes()
    assert not list(continued.folder.glob("chunk-*"))


def test_damaged_features_are_recomputed(tmp_path: Path) -> None:
    before = embedded(tmp_path)
    path = before.folder / FEATURES
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert embedded(tmp_path).features.tobytes() == before.features.tobytes()


def test_each_input_of_the_features_gives_another_folder(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(7)
    save_file(build_network("smallnet", 5).state_dict(), weights)
    others: list[dict[str, object]] = [
        {"weights": str(weights)},
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
        {"layers": ("features.3",)},
        {"network": "customnet"},
    ]
    folders = {embedded(tmp_path, SMALL.model_copy(update=change)).folder for change in others}
    folders |= {embedded(tmp_path).folder, embedded(tmp_path, seed=1).folder}
    assert len(folders) == len(others) + 2


def test_weights_are_identified_by_value_and_not_by_path(tmp_path: Path) -> None:
    state = build_network("smallnet", 5).state_dict()
    for name in ("a.safetensors", "b.safetensors"):
        save_file(state, tmp_path / name)
    one, other = (
        embedded(tmp_path, SMALL.model_copy(update={"weights": str(tmp_path / name)}))
        for name in ("a.safetensors", "b.safetensors")
    )
    assert one.folder == other.folder


def test_means_of_inner_layers_are_appended_to_the_features(tmp_path: Path) -> None:
    with_layers = embedded(tmp_path, SMALL.model_copy(update={"layers": ("features.3",)}))
    assert with_layers.features.shape == (VIEWS, 512 + 32)
    np.testing.assert_array_equal(with_layers.features[:, :512], embedded(tmp_path).features)


def test_a_layer_with_spread_gives_the_standard_deviations_of_its_channels() -> None:
    backbone = SMALL.model_copy(update={"layers": ("features.3", "features.3:spread")})
    frozen = build_backbone(backbone, SMALL.image, CPU)
    images = torch.rand(2, 3, SMALL.image_size, SMALL.image_size)
    with torch.inference_mode():
        maps = frozen.network.get_submodule("features")[:4](images)  # type: ignore[index]
        _, means, spreads = frozen.blocks(images)
    torch.testing.assert_close(means, maps.mean(dim=(2, 3)))
    torch.testing.assert_close(spreads, maps.std(dim=(2, 3), correction=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "resnet5"}, "no network 'resnet5'"),
        ({"weights": "nowhere.safetensors"}, "Could not load the weights"),
        ({"weights": "imagenet"}, "no ImageNet weights"),
        ({"layers": ("nothing",)}, "nothing"),
    ],
)
def test_an_invalid_backbone_is_refused_with_the_reason(
    change: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidRecipe, match=said):
        build_backbone(SMALL.model_copy(update=change), SMALL.image, CPU)
