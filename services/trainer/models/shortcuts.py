"""Shortcut test: does a model rely on regions of photos that say nothing about the country?

A hidden region is filled with the mean colour of the model's normalisation, which is 0 in the
network's input: neither bright nor dark, and without edges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from euguess.errors import InvalidInput
from euguess.messages.records import Interval, Record
from euguess.training.recipes.split_spec import SplitProtocol
from services.trainer.cache.decoding import OnDamage
from services.trainer.devices import on_device
from services.trainer.evaluation.bootstrap import bootstrap_interval, paired_difference
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import is_top
from services.trainer.loading.split_data import SplitData
from services.trainer.models.stored_model import load_model, read_test
from services.trainer.progress import Progress
from services.trainer.session import Session, load_cache
from services.trainer.tracking.naming import run_named

Box = tuple[float, float, float, float]  # top, bottom, left, right as shares of a side


@dataclass(frozen=True)
class Region:
    """A region to hide in each photo."""

    name: str
    boxes: tuple[Box, ...]


REGIONS = (
    Region("sky (top third)", ((0, 1 / 3, 0, 1),)),
    Region("bottom fifth", ((4 / 5, 1, 0, 1),)),
    # For 640 px: Google's logo at the left, its copyright line at the right.
    Region("watermark corners", ((0.94, 1, 0, 0.15), (0.94, 1, 0.75, 1))),
)

NOTHING = Region("nothing", ())


class HiddenRegion(Record):
    """Single-view accuracy with a region hidden."""

    region: str
    hidden: float  # share of the pixels
    accuracy: Interval
    drop: Interval  # accuracy on complete photos minus this one, paired over locations

    @property
    def is_used(self) -> bool:
        """Return whether the accuracy drops significantly."""
        return self.drop.low > 0


class Shortcuts(Record):
    """Dependence of a model's accuracy on regions of the photos."""

    run_id: str
    dataset: str
    network: str
    places: int
    views: int
    accuracy: Interval
    regions: tuple[HiddenRegion, ...]


def find_shortcuts(
    run: str, session: Session, on_damage: OnDamage, dataset: str | None = None
) -> Shortcuts:
    """Hide each region in photos of locations that a run's model has not seen.

    By default, these are the test set of the dataset that it was trained on. Raises InvalidInput,
    for example if the test set shares locations with the training set.
    """
    model = load_model(run_named(run, session.tracking, session.registry), session)
    name = dataset or model.card.dataset
    cache = load_cache(name, model.card.image, session, on_damage=on_damage)
    test = read_test(model, cache, session.device)
    split_data = test.split_data
    if test.is_own and model.recipe.split.protocol is SplitProtocol.IMAGE:
        raise InvalidInput(
            "This model was split by image, so it has seen its test places. Name a run with "
            "another split, or a dataset with new places: --dataset NAME."
        )
    with session.display.bar("Hiding parts of photos") as progress:
        accuracy, regions = hide_regions(model.network, split_data, progress)
    rows = split_data.split.test
    return Shortcuts(
        run_id=model.run_id,
        dataset=name,
        network=model.card.network,
        places=len(np.unique(split_data.index.location_ids[rows])),
        views=len(rows),
        accuracy=accuracy,
        regions=regions,
    )


def hide_regions(
    network: nn.Module, split_data: SplitData, progress: Progress
) -> tuple[Interval, tuple[HiddenRegion, ...]]:
    """Measure the accuracy on complete test photos, and with each region hidden."""
    on_device(network, split_data.images.device).eval()
    rows = split_data.split.test
    places = split_data.index.location_ids[rows]
    whole = _hits(network, split_data)
    found = []
    for done, region in enumerate(REGIONS, start=1):
        progress(done, len(REGIONS) + 1)
        hits = _hits(network, split_data, region)
        found.append(
            HiddenRegion(
                region=region.name,
                hidden=hidden_share(region),
                accuracy=bootstrap_interval(hits, places),
                drop=paired_difference(whole, hits, places),
            )
        )
    progress(len(REGIONS) + 1, len(REGIONS) + 1)
    return bootstrap_interval(whole, places), tuple(found)


def hide(images: Tensor, region: Region) -> Tensor:
    """Return a copy of normalised N x 3 x S x S images with 0, the mean colour, in a region."""
    hidden = images.clone()
    size = images.shape[-1]
    for box in region.boxes:
        # At least one row and column, however small the images are.
        top, left = (int(np.floor(share * size)) for share in (box[0], box[2]))
        bottom, right = (int(np.ceil(share * size)) for share in (box[1], box[3]))
        hidden[:, :, top:bottom, left:right] = 0
    return hidden


def hidden_share(region: Region) -> float:
    return sum((bottom - top) * (right - left) for top, bottom, left, right in region.boxes)


def _hits(network: nn.Module, split_data: SplitData, hidden: Region = NOTHING) -> NDArray[np.bool_]:
    def forward(images: Tensor) -> Tensor:
        logits: Tensor = network(hide(images, hidden))
        return logits

    rows = split_data.split.test
    logits = predict_logits(forward, split_data.images, rows)
    return is_top(logits.astype(np.float64), split_data.labels[rows], 1)
