"""Data for training and testing: images, labels and the split of a tensor cache."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch

from euguess.errors import InvalidInput
from euguess.geography.countries import PRESETS, country
from euguess.images.perceptual_hash import hash_images
from euguess.messages.serving import ModelCountry
from euguess.messages.training import SeenViews
from euguess.training.recipes.read import AnyRecipe
from euguess.training.recipes.sections import Subset
from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from euguess.training.report import LeftOut
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.view_index import Rows, Strings, ViewIndex
from services.trainer.loading.batches import DeviceImages
from services.trainer.splits.leaks import unseen_locations
from services.trainer.splits.splits import Split, split_views

STUDY_PRESET = "eu32"
DISTANT = (SplitProtocol.LOCATION_BUFFER, SplitProtocol.SPATIAL)  # protocols that need positions


@dataclass(frozen=True)
class LabelledSplit:
    """Views of a dataset with labels and a split, in the order of index."""

    dataset: str
    manifest_digest: str
    index: ViewIndex
    countries: tuple[ModelCountry, ...]
    labels: Rows
    split: Split


@dataclass(frozen=True)
class SplitData(LabelledSplit):
    """The views that a recipe uses, with their images in the same order."""

    images: DeviceImages


def read_split_data(cache: TensorCache, recipe: AnyRecipe, device: torch.device) -> SplitData:
    """Select, label and split the views of a cache. Raises InvalidInput if there are too few."""
    divided, rows = label_and_split(cache, recipe.views, recipe.split_spec, recipe.subset)
    return _split_data(cache, recipe, device, divided.countries, divided.index, rows, divided.split)


def label_and_split(
    cache: TensorCache, views: int, spec: SplitSpec, share: Subset | None = None
) -> tuple[LabelledSplit, Rows]:
    """Label and split at most `views` views of each location; also return their cache rows.

    share: the share of locations to use; all if None. Raises InvalidInput if there are too few
    countries or locations, or if the protocol needs positions and no photo has one.
    """
    every = hashed_views(cache)
    rows = first_views(every, views)
    if share is not None:
        rows = rows[np.isin(every.location_ids[rows], chosen_locations(every, share))]
    index = subset(every, rows)
    name = cache.header.dataset
    if len(index.countries) < 2:
        raise InvalidInput(
            f"Dataset {name!r} only has places in {index.countries[0]}. A classifier needs at "
            "least 2 countries."
        )
    _require_positions(name, index, spec)
    codes = label_order(index.countries)
    countries = tuple(ModelCountry(country_code=c, name=country(c).name) for c in codes)
    split = split_views(index, spec)
    if not len(split.test):
        raise InvalidInput(f"Dataset {name!r} has too few places for a test set. Collect more.")
    labels = index.labels(tuple(codes))
    digest = cache.header.manifest_digest
    return LabelledSplit(name, digest, index, countries, labels, split), rows


def read_unseen_data(
    cache: TensorCache,
    recipe: AnyRecipe,
    device: torch.device,
    countries: tuple[ModelCountry, ...],
    seen: SeenViews,
) -> tuple[SplitData, tuple[LeftOut, ...]]:
    """Return a test set of all views that the model has not seen, in countries that it knows.

    If the recipe's split keeps a distance, the test set keeps it too. Also return the new places of
    other countries. Raises InvalidInput if there is nothing to test.
    """
    views = hashed_views(cache)
    new = unseen_locations(views, seen, recipe.split.spec.apart_km)
    rows = first_views(views, recipe.views)
    codes = [country.country_code for country in countries]
    is_named = np.isin(views.country_codes[rows], codes)
    others = rows[~is_named & np.isin(views.location_ids[rows], new)]
    index = subset(views, rows[is_named])
    split = _unseen_split(index, new, seen)
    if not len(split.test):
        raise InvalidInput(
            f"The model has seen every place of dataset {cache.header.dataset!r} in its countries. "
            "Name a dataset with new places."
        )
    split_data = _split_data(cache, recipe, device, countries, index, rows[is_named], split)
    return split_data, _left_out(subset(views, others))


def seen_views(split_data: LabelledSplit) -> SeenViews:
    """Return the views of train and val."""
    rows = np.concatenate([split_data.split.train, split_data.split.val])
    index = subset(split_data.index, np.sort(rows))
    panoramas = () if index.panorama_ids is None else np.unique(index.panorama_ids).tolist()
    ids, first = np.unique(index.location_ids, return_index=True)
    positions = np.stack([index.lats, index.lons], axis=1)[first]
    known = positions[~np.isnan(positions).any(axis=1)]
    return SeenViews(
        location_ids=tuple(str(name) for name in ids),
        panorama_ids=tuple(panoramas),
        sha256s=tuple(str(sha) for sha in index.sha256s),
        positions=tuple((float(lat), float(lon)) for lat, lon in known),
        hashes=() if index.hashes is None else tuple(int(bits) for bits in index.hashes),
    )


def first_views(index: ViewIndex, views: int) -> Rows:
    """Return the rows of the first `views` views of each location, in index order."""
    _, location = np.unique(index.location_ids, return_inverse=True)
    order = np.argsort(location, kind="stable")
    starts = np.searchsorted(location[order], location[order])
    rank = np.arange(len(order)) - starts
    return np.sort(order[rank < views])


def chosen_locations(index: ViewIndex, part: Subset) -> Strings:
    """Return the sorted ids of a share of each country's locations.

    Locations are drawn by a hash, so a larger share contains every smaller one, and a new location
    changes the selection by at most one.
    """
    names, first = np.unique(index.location_ids, return_index=True)
    if part.share == 1:
        return names
    drawn = np.array([hashlib.sha256(f"{part.seed} {name}".encode()).digest() for name in names])
    chosen = []
    for code in index.countries:
        mine = np.flatnonzero(index.country_codes[first] == code)
        count = max(1, round(len(mine) * part.share))
        chosen.append(names[mine[np.argsort(drawn[mine])[:count]]])
    return np.sort(np.concatenate(chosen))


def subset(index: ViewIndex, rows: Rows) -> ViewIndex:
    """Return the index of some rows only."""
    return ViewIndex(
        location_ids=index.location_ids[rows],
        country_codes=index.country_codes[rows],
        lats=index.lats[rows],
        lons=index.lons[rows],
        headings=index.headings[rows],
        sha256s=index.sha256s[rows],
        panorama_ids=None if index.panorama_ids is None else index.panorama_ids[rows],
        hashes=None if index.hashes is None else index.hashes[rows],
        place_sources=None if index.place_sources is None else index.place_sources[rows],
    )


def hashed_views(cache: TensorCache) -> ViewIndex:
    """Return the views of a cache with the perceptual hashes of their pixels."""
    hashes = hash_images(cache.images) if cache.hashes is None else cache.hashes
    return replace(cache.views, hashes=hashes)


def label_order(codes: tuple[str, ...]) -> list[str]:
    """Sort countries in the study's order if it has them all, otherwise by English name."""
    study = {known: label for label, known in enumerate(PRESETS[STUDY_PRESET].codes)}
    if set(codes) <= set(study):
        return sorted(codes, key=study.__getitem__)
    return sorted(codes, key=lambda code: country(code).name)


def _require_positions(dataset: str, index: ViewIndex, spec: SplitSpec) -> None:
    if spec.protocol in DISTANT and np.isnan(index.lats).all():
        raise InvalidInput(
            f"No photo of dataset {dataset!r} has a position, so {spec.protocol.value} cannot keep "
            "places apart. Use the protocol location, or import the photos with their coordinates."
        )


def _unseen_split(index: ViewIndex, new: Strings, seen: SeenViews) -> Split:
    """Test the new locations; drop those that are neither new nor seen: copies, and too near."""
    is_new = np.isin(index.location_ids, new)
    is_seen = np.isin(index.location_ids, seen.location_ids)
    return Split(
        train=np.flatnonzero(is_seen),
        val=np.array([], dtype=np.int64),
        test=np.flatnonzero(is_new),
        dropped=np.flatnonzero(~is_new & ~is_seen),
    )


def _left_out(index: ViewIndex) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(
            country_code=code,
            locations=len(np.unique(index.location_ids[index.country_codes == code])),
            images=int(np.sum(index.country_codes == code)),
        )
        for code in index.countries
    )


def _split_data(
    cache: TensorCache,
    recipe: AnyRecipe,
    device: torch.device,
    countries: tuple[ModelCountry, ...],
    index: ViewIndex,
    rows: Rows,
    split: Split,
) -> SplitData:
    labels = index.labels(tuple(country.country_code for country in countries))
    # The full cache stays memory-mapped; only a selection is copied.
    pixels = cache.images if len(rows) == len(cache) else cache.images[rows]
    return SplitData(
        dataset=cache.header.dataset,
        manifest_digest=cache.header.manifest_digest,
        index=index,
        countries=countries,
        labels=labels,
        images=DeviceImages(pixels, labels, recipe.image, device),
        split=split,
    )
