"""What `make gpu-check` checks and measures, with the trainer's own loop and made-up photos."""

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from euguess.messages.serving import ImageSpec, ModelCountry
from euguess.training.recipes.head_recipe import Backbone
from euguess.training.recipes.recipe import Recipe, parse_recipe
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.devices import set_up_device
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.heads.backbones import build_backbone
from services.trainer.loading import batches
from services.trainer.loading.batches import DeviceImages, Pixels
from services.trainer.loading.split_data import SplitData
from services.trainer.progress import EpochResult
from services.trainer.splits.splits import Split
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import TrainingState, train
from services.trainer.training.losses import Criterion

COUNTRIES = 32
STUDY_NETWORKS = ("customnet", "googlenet", "vgg16", "resnet50", "efficientnet_b4")
CPU = torch.device("cpu")
# Largest relative difference between the losses of an epoch on the device and on the CPU. Half
# precision only has to stay finite: fp16 skips its first steps until it has found a scale.
EXACT, ROUNDED, FINITE = 0.01, 0.05, math.inf
# Everything that has been known to read values from a GPU in each step.
BUSY = (
    "augmentation.shift=0.1",
    "augmentation.contrast=0.2",
    "augmentation.randaugment=2",
    "augmentation.mixup=0.4",
    "augmentation.cutmix=1.0",
    "optimizer.clip_norm=1.0",
    "label_smoothing=0.1",
    "ema_decay=0.9",
)
WAITED = "called a synchronizing"  # what PyTorch's debug mode warns


@dataclass(frozen=True)
class Row:
    """One line of the table. is_right: None for what is only measured."""

    what: str
    value: float | None
    unit: str
    is_right: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Load:
    """Photos at one size, and how many go into a batch."""

    pixels: int
    images: int
    batch: int


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    curve: Load
    curve_network: str  # without dropout, which draws other numbers on a card
    curve_epochs: int
    networks: tuple[Load, ...]
    precisions: tuple[str, ...]
    study: Load
    study_network: str
    embedded: Load
    backbone: str


CARD = Sizes(
    curve=Load(64, 512, 64),
    curve_network="resnet18",
    curve_epochs=4,
    networks=(Load(64, 16_000, 1000), Load(224, 4096, 256)),
    precisions=("fp32", "bf16"),
    study=Load(64, 42_780, 1000),
    study_network="googlenet",
    embedded=Load(224, 4096, 256),
    backbone="resnet50",
)
SMOKE = Sizes(
    curve=Load(32, 32, 16),
    curve_network="smallnet",
    curve_epochs=2,
    networks=(Load(64, 2, 2),),
    precisions=("fp32",),
    study=Load(32, 60, 20),
    study_network="smallnet",
    embedded=Load(64, 8, 4),
    backbone="resnet18",
)


def machine(device: torch.device) -> dict[str, str]:
    """Describe the device and the software."""
    found = {"device": str(device), "torch": torch.__version__}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "card": card.name,
            "memory": f"{card.total_memory / 1e9:.0f} GB",
            "capability": f"{card.major}.{card.minor}",
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        }
    return found


def loss_curves(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Compare the losses of each epoch with those of the CPU, from the same weights and order."""
    expected = _losses("fp32", sizes, CPU)
    arithmetic = (
        ("fp32 without TF32", "fp32", True, EXACT),
        ("fp32", "fp32", False, ROUNDED),
        ("bf16", "bf16", False, FINITE),
        ("fp16", "fp16", False, FINITE),
    )
    for name, precision, is_repeatable, tolerance in arithmetic:
        set_up_device(device, is_repeatable=is_repeatable)
        found = _losses(precision, sizes, device)
        furthest = float(np.max(np.abs(found / expected - 1)))
        limit = "finite" if tolerance == FINITE else f"at most {tolerance:.0%}"
        note = f"largest difference from the CPU's losses; must be {limit}"
        is_right = bool(np.isfinite(found).all()) and furthest <= tolerance
        yield Row(f"loss curve, {name}", 100 * furthest, "%", is_right, note)
    set_up_device(device, is_repeatable=False)


def waits(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Count how often an epoch waits for the card: the same for few and for many steps."""
    if device.type != "cuda":
        yield Row("waits for the card in an epoch", None, "", note="needs a card")
        return
    for precision in ("fp32", "fp16"):
        few, many = (_waits(precision, images, device) for images in (256, 1024))
        note = f"with every option, 4 steps; {many} with 16 steps"
        yield Row(f"waits in an epoch, {precision}", few, "", few == many, note)


def throughput(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Measure training by network, beside the same steps on one batch that never changes."""
    for load in sizes.networks:
        pixels = _photos(load)
        for network in STUDY_NETWORKS:
            for precision in sizes.precisions:
                yield _throughput(network, precision, load, pixels, device)


def study_epochs(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Measure an epoch with validation on as many photos as the study had."""
    augmented = ("augmentation.shift=0.1", "augmentation.randaugment=2", "augmentation.mixup=0.2")
    name, pixels = sizes.study_network, _photos(sizes.study)
    for title, changes, share in (
        ("fp32", (), batches.RESIDENT_SHARE),
        ("bf16", ("precision=bf16",), batches.RESIDENT_SHARE),
        ("bf16, augmented", ("precision=bf16", *augmented), batches.RESIDENT_SHARE),
        ("bf16, photos not on the card", ("precision=bf16",), 0.0),
    ):
        _forget_peak(device)
        with patch.object(batches, "RESIDENT_SHARE", share):
            data = _split_data(pixels, device, val_share=0.1, test_share=0.2)
            recipe = _recipe(name, sizes.study, 3, changes)
            history = _trained(recipe, new_learner(recipe, COUNTRIES, device), data)
        seconds = min(result.seconds for result in history[1:])
        yield Row(f"epoch of the study, {name}, {title}", seconds, "s", note=_peak(device))


def embeddings(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Measure frozen features."""
    load = sizes.embedded
    image = ImageSpec(size=load.pixels)
    backbone = Backbone(network=sizes.backbone, image_size=load.pixels)
    extractor = build_backbone(backbone, image, device)
    images = DeviceImages(_photos(load), np.zeros(load.images, np.int64), image, device)
    rows = np.arange(load.images)
    predict_logits(extractor, images, rows[: load.batch], load.batch)
    started = time.perf_counter()
    predict_logits(extractor, images, rows, load.batch)
    rate = load.images / (time.perf_counter() - started)
    yield Row(f"embeddings, {sizes.backbone} at {load.pixels} px", rate, "images/s", note="fp32")


MEASURES = (loss_curves, waits, study_epochs, embeddings, throughput)


def _losses(precision: str, sizes: Sizes, device: torch.device) -> NDArray[np.float64]:
    settings = ("optimizer.name=sgd", "optimizer.learning_rate=0.01", f"precision={precision}")
    recipe = _recipe(sizes.curve_network, sizes.curve, sizes.curve_epochs, settings)
    learner = new_learner(recipe, COUNTRIES, device)
    history = _trained(recipe, learner, _split_data(_photos(sizes.curve), device))
    return np.array([result.train_loss for result in history])


def _waits(precision: str, images: int, device: torch.device) -> int:
    load = Load(64, images, 64)
    recipe = _recipe("resnet18", load, 2, (f"precision={precision}", *BUSY))
    data, learner = _split_data(_photos(load), device), new_learner(recipe, COUNTRIES, device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(
            recipe,
            learner,
            data,
            start=TrainingState(),
            # The first epoch warms up: only the second one is watched.
            after_epoch=lambda state: torch.cuda.set_sync_debug_mode("warn"),
            tick=lambda count: None,
        )
        torch.cuda.set_sync_debug_mode("default")
    return sum(WAITED in str(warning.message) for warning in caught)


def _throughput(
    network: str, precision: str, load: Load, pixels: Pixels, device: torch.device
) -> Row:
    what = f"{network} at {load.pixels} px, {precision}"
    batch = load.batch
    while True:
        try:
            _forget_peak(device)
            fitting = Load(load.pixels, load.images, batch)
            recipe = _recipe(network, fitting, 2, (f"precision={precision}", "optimizer.name=sgd"))
            learner = new_learner(recipe, COUNTRIES, device)
            history = _trained(recipe, learner, _split_data(pixels, device))
            rate, peak = load.images / history[-1].seconds, _peak(device)
            ceiling = _ceiling(learner, pixels[:batch], device)
        except torch.OutOfMemoryError:
            if batch <= 2:
                return Row(what, None, "images/s", note="out of memory")
            batch //= 2
        else:
            note = f"{rate / ceiling:.0%} of {ceiling:,.0f} on one batch of {batch}; {peak}"
            return Row(what, rate, "images/s", note=note)


def _ceiling(learner: Learner, pixels: Pixels, device: torch.device) -> float:
    """Return images/s of steps on one batch that is on the device already."""
    data = _split_data(pixels, device)
    (batch,) = data.images.batches(data.split.train, len(pixels))
    learner.start_epoch()
    steps = 10 if device.type == "cuda" else 1
    learner.learn(batch, Criterion())
    _finish(device)
    started = time.perf_counter()
    for _ in range(steps):
        learner.learn(batch, Criterion())
    _finish(device)
    return steps * len(pixels) / (time.perf_counter() - started)


def _trained(recipe: Recipe, learner: Learner, data: SplitData) -> tuple[EpochResult, ...]:
    state = train(
        recipe,
        learner,
        data,
        start=TrainingState(),
        after_epoch=lambda state: None,
        tick=lambda count: None,
    )
    return state.history


def _recipe(network: str, load: Load, epochs: int, changes: Sequence[str]) -> Recipe:
    text = f'name = "gpu-check"\nnetwork = "{network}"\nepochs = {epochs}\n'
    return parse_recipe(text, (f"image_size={load.pixels}", f"batch_size={load.batch}", *changes))


def _photos(load: Load) -> Pixels:
    """Make noise that has a colour for each country."""
    rng = np.random.default_rng(0)
    shape = (load.images, load.pixels, load.pixels, 3)
    noise = np.frombuffer(rng.bytes(int(np.prod(shape))), dtype=np.uint8).reshape(shape) >> 1
    colours = rng.integers(0, 128, (COUNTRIES, 1, 1, 3), dtype=np.uint8)
    return np.asarray(noise + colours[np.arange(load.images) % COUNTRIES], dtype=np.uint8)


def _split_data(
    pixels: Pixels, device: torch.device, val_share: float = 0.0, test_share: float = 0.0
) -> SplitData:
    count = len(pixels)
    labels = np.arange(count) % COUNTRIES
    names = np.array([str(row) for row in range(count)])
    shuffled = np.random.default_rng(1).permutation(count)
    ends = [int(count * (1 - val_share - test_share)), int(count * (1 - test_share))]
    train_rows, val, test = np.split(shuffled, ends)
    zeros = np.zeros(count)
    return SplitData(
        dataset="gpu-check",
        manifest_digest="0" * 64,
        index=ViewIndex(names, names, zeros, zeros, zeros, names),
        countries=tuple(ModelCountry(country_code="FR", name="France") for _ in range(COUNTRIES)),
        labels=labels,
        images=DeviceImages(pixels, labels, ImageSpec(size=pixels.shape[1]), device),
        split=Split(train_rows, val, test, np.array([], dtype=np.int64)),
    )


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> str:
    if device.type != "cuda":
        return "memory not measured"
    return f"peak {torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB"


def as_json(row: Row) -> dict[str, object]:
    return asdict(row)
