"""Embeddings: the features of all views of a dataset, computed once per backbone and stored.

The folder <home>/embeddings/<dataset>/<key> holds features.npy (N, D) float32 and embeddings.json,
which is written last and holds the SHA-256 of features.npy. The key is a digest of everything that
the features depend on. Until all rows are computed, each chunk of them has its own file, so an
interrupted computation resumes after its last chunk.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch import Tensor, nn

from euguess.errors import StaleCache
from euguess.images.preprocessing import PIXELS_VERSION
from euguess.messages.records import (
    DatasetName,
    Record,
    Sha256,
)
from euguess.messages.serving import ImageSpec
from euguess.process.files import write_atomically
from euguess.training.recipes.head_recipe import Backbone
from services.head_network import FrozenBackbone
from services.trainer.cache.decoding import OnDamage
from services.trainer.cache.files import cache_room_errors, locked
from services.trainer.cache.format import TensorCache
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import CHECK_WEIGHTS
from services.trainer.heads.backbones import (
    build_backbone,
    weights_digest,
)
from services.trainer.loading.batches import DeviceImages
from services.trainer.progress import Progress
from services.trainer.session import Session, load_cache

FORMAT_VERSION = 2
FOLDER, FEATURES, HEADER = "embeddings", "features.npy", "embeddings.json"
BATCH_ROWS = {"cpu": 32}  # other batch sizes may round differently
GPU_BATCH_ROWS = 256
CHUNK_BATCHES = 16  # written and synced together; a kill loses at most one chunk
CHUNKS = "chunk-*.npy"

Features = NDArray[np.float32]  # (views, features)


class EmbeddingKey(Record):
    """Everything that the features depend on."""

    format_version: int = FORMAT_VERSION
    pixels_version: int = PIXELS_VERSION
    dataset: DatasetName
    manifest_digest: Sha256
    index_sha256: Sha256 = Field(description="Of the tensor cache's index: rows and their pixels")
    network: str
    weights_sha256: Sha256
    layers: tuple[str, ...]
    image: ImageSpec
    given: ImageSpec = Field(description="Images that are adapted to those of the backbone")
    device: str = Field(description="cpu or cuda; they round differently")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class EmbeddingHeader(Record):
    """Contents of embeddings.json."""

    key: EmbeddingKey
    rows: int = Field(ge=0)
    widths: tuple[int, ...] = Field(description="Penultimate features, then those of each layer")
    features_sha256: Sha256


@dataclass(frozen=True)
class Embeddings:
    """Features in the row order of the tensor cache."""

    folder: Path
    header: EmbeddingHeader
    features: Features

    @property
    def blocks(self) -> tuple[Features, ...]:
        """The penultimate features and those of each layer."""
        borders = np.cumsum(self.header.widths)[:-1]
        return tuple(np.split(self.features, borders, axis=1))


def embed_dataset(
    dataset: str,
    backbone: Backbone,
    given: ImageSpec,
    session: Session,
    *,
    on_damage: OnDamage = OnDamage.RAISE,
) -> Embeddings:
    """Read the features of a stored dataset, or compute them from its tensor cache.

    given: the images that a model with this backbone is given, HeadRecipe.image.
    """
    cache = load_cache(dataset, given, session, on_damage=on_damage)
    with session.display.bar(f"Embedding by {backbone.title}") as progress:
        return embed(cache, backbone, given, session.home, session.device, progress)


def embed(
    cache: TensorCache,
    backbone: Backbone,
    given: ImageSpec,
    home: Path,
    device: torch.device,
    progress: Progress,
) -> Embeddings:
    """Return the features of all views of a cache: from disk if complete, otherwise computed.

    Raises InvalidRecipe when the backbone cannot be built, DiskFull when there is no space.
    """
    frozen = build_backbone(backbone, given, device)
    key = embedding_key(cache, backbone, given, frozen.network, device)
    folder = home / FOLDER / key.dataset / key.digest[:16]
    with locked(folder), cache_room_errors(folder):
        try:
            return open_embeddings(folder, key)
        except StaleCache:
            return _computed(folder, key, cache, frozen, device, progress)


def embedding_key(
    cache: TensorCache,
    backbone: Backbone,
    given: ImageSpec,
    network: nn.Module,
    device: torch.device,
) -> EmbeddingKey:
    """Return the key of a backbone's features; network is the backbone without its head."""
    return EmbeddingKey(
        dataset=cache.header.dataset,
        manifest_digest=cache.header.manifest_digest,
        index_sha256=cache.header.index_sha256,
        network=backbone.network,
        weights_sha256=weights_digest(network.state_dict()),
        layers=backbone.layers,
        image=backbone.image,
        given=given,
        device=device.type,
    )


def open_embeddings(folder: Path, key: EmbeddingKey) -> Embeddings:
    """Read and check features. Raises StaleCache with the reason."""
    header = _read_header(folder)
    data = _read(folder / FEATURES)
    if header.key != key:
        raise StaleCache(f"The embeddings {folder} belong to another backbone or dataset.")
    if hashlib.sha256(data).hexdigest() != header.features_sha256:
        raise StaleCache(f"The embeddings {folder} are damaged.")
    return Embeddings(folder, header, np.load(io.BytesIO(data), allow_pickle=False))


def _computed(
    folder: Path,
    key: EmbeddingKey,
    cache: TensorCache,
    frozen: FrozenBackbone,
    device: torch.device,
    progress: Progress,
) -> Embeddings:
    """Compute missing chunks, then write the features and finally their header."""
    unused = np.zeros(len(cache), dtype=np.int64)
    images = DeviceImages(cache.images, unused, key.given, device)
    batch_rows = BATCH_ROWS.get(device.type, GPU_BATCH_ROWS)
    chunks = []
    for path, rows in _chunks(folder, len(cache), batch_rows * CHUNK_BATCHES):
        if not path.is_file():
            forward = _Counting(frozen, int(rows[0]), len(cache), progress)
            features = predict_logits(forward, images, rows, batch_rows, CHECK_WEIGHTS)
            write_atomically(path, _npy(features), durable=True)
        chunks.append(np.load(path, allow_pickle=False))
    features = np.concatenate(chunks)
    data = _npy(features)
    write_atomically(folder / FEATURES, data, durable=True)
    digest = hashlib.sha256(data).hexdigest()
    header = EmbeddingHeader(
        key=key, rows=len(features), widths=frozen.widths, features_sha256=digest
    )
    write_atomically(folder / HEADER, header.model_dump_json(indent=2), durable=True)
    for path in folder.glob(CHUNKS):
        path.unlink()
    return Embeddings(folder, header, features)


@dataclass
class _Counting:
    """Computes features and reports how many rows are done."""

    extractor: FrozenBackbone
    done: int
    total: int
    progress: Progress

    def __call__(self, images: Tensor) -> Tensor:
        features: Tensor = self.extractor(images)
        self.done += len(images)
        self.progress(self.done, self.total)
        return features


def _chunks(folder: Path, rows: int, size: int) -> Iterator[tuple[Path, NDArray[np.int64]]]:
    for start in range(0, rows, size):
        stop = min(start + size, rows)
        yield folder / f"chunk-{start:07}-{stop:07}.npy", np.arange(start, stop)


def _read_header(folder: Path) -> EmbeddingHeader:
    try:
        return EmbeddingHeader.model_validate(json.loads(_read(folder / HEADER)))
    except (ValueError, ValidationError):
        raise StaleCache(f"The embeddings {folder} have no readable {HEADER}.") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise StaleCache(f"The embeddings {path.parent} were never finished.") from None


def _npy(array: Features) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
