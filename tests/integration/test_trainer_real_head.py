"""A head on real photos: the served model gives the probabilities that the trainer measured."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from euguess.geography.countries import country
from euguess.images.postprocessing import log_softmax
from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ModelCountry
from euguess.process.project import project_root
from euguess.training.recipes.head_recipe import HeadRecipe, read_head_recipe
from services.inference.classifier import load_classifier
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.heads.backbones import build_backbone
from services.trainer.heads.experiment import measure_head
from services.trainer.heads.network import join_network
from services.trainer.heads.selection import EmbeddedViews, choose_head
from services.trainer.loading.batches import DeviceImages
from services.trainer.loading.split_data import LabelledSplit
from services.trainer.models.export import export_package
from services.trainer.splits.splits import split_views
from tests.support.requirements import Requirement, skip_without
from tests.support.tiny_training import CPU

pytestmark = [pytest.mark.photos, pytest.mark.timeout(600)]
PHOTOS = project_root().parent / "shared" / "data" / "streetview"
COUNT = 200
AGREE = 1e-4  # of probabilities


def read_photos() -> tuple[list[bytes], ViewIndex]:
    """Return photos spread over the collection."""
    if not (PHOTOS / "manifest.csv").is_file():
        skip_without(Requirement.PHOTOS, f"{PHOTOS} does not exist")
    with (PHOTOS / "manifest.csv").open(newline="") as file:
        every = list(csv.DictReader(file))
    rows = [every[number] for number in np.linspace(0, len(every) - 1, COUNT).astype(int)]
    index = ViewIndex(
        location_ids=np.array([row["location_id"] for row in rows]),
        country_codes=np.array([row["country_code"] for row in rows]),
        lats=np.array([float(row["lat"] or "nan") for row in rows]),
        lons=np.array([float(row["lon"] or "nan") for row in rows]),
        headings=np.zeros(COUNT),
        sha256s=np.array([row["sha256"] for row in rows]),
    )
    return [(PHOTOS / row["file"]).read_bytes() for row in rows], index


def divided(index: ViewIndex, recipe: HeadRecipe) -> LabelledSplit:
    countries = tuple(
        ModelCountry(country_code=code, name=country(code).name) for code in index.countries
    )
    labels, split = index.labels(index.countries), split_views(index, recipe.split_spec)
    return LabelledSplit("real", "0" * 64, index, countries, labels, split)


def test_the_served_head_agrees_with_the_trainer_on_real_photos(tmp_path: Path) -> None:
    photos, index = read_photos()
    recipe = read_head_recipe(project_root() / "experiments" / "heads" / "lite0.toml")
    pixels = np.stack([decode_photo(photo, recipe.image.size) for photo in photos])
    views, rows = divided(index, recipe), np.arange(COUNT)
    (backbone,) = (build_backbone(one, recipe.image, CPU) for one in recipe.backbones)
    features = predict_logits(backbone, DeviceImages(pixels, views.labels, recipe.image, CPU), rows)
    blocks = np.split(features, np.cumsum(backbone.widths)[:-1], axis=1)
    embedded = EmbeddedViews(views, tuple(blocks))
    chosen = choose_head(embedded, recipe.head, recipe.seed)
    report = measure_head(recipe, embedded, chosen).report
    network = join_network([backbone], chosen)
    export_package(tmp_path, network, recipe, report, datetime(2026, 1, 2, tzinfo=UTC))
    expected = np.exp(chosen.head.log_probabilities(chosen.features(embedded.blocks, rows)))
    found = served(tmp_path, photos)
    assert expected.max() > 0.5
    assert np.abs(found - expected).max() < AGREE


def served(package: Path, photos: list[bytes]) -> NDArray[np.float64]:
    """Return the probabilities of each photo as served, before calibration."""
    classifier = load_classifier(package, decode_photo)
    logits = [classifier.logits(classifier.inputs(classifier.decode([one]))) for one in photos]
    return np.exp(log_softmax(np.concatenate(logits)))
