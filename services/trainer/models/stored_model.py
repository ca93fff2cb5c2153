"""Load and evaluate a model that an earlier run stored."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from euguess.errors import ChecksumMismatch, InvalidInput
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews
from euguess.promotion.versions import MODEL_ARTIFACTS, SEEN_FILE
from euguess.training.recipes.read import AnyRecipe, parse_any_recipe
from euguess.training.report import Baselines, LeftOut, Report
from euguess.training.runs import RECIPE_FILE
from services.head_network import build_model
from services.networks import UnknownNetwork
from services.trainer.cache.decoding import OnDamage
from services.trainer.cache.format import TensorCache
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.loading.split_data import (
    SplitData,
    read_split_data,
    read_unseen_data,
    seen_views,
)
from services.trainer.models.export import CARD, REPORT, WEIGHTS
from services.trainer.session import Session, load_cache
from services.trainer.tracking.naming import run_named

UNSEEN_PROTOCOL = "unseen"  # every view of the dataset that the model was not trained on


@dataclass(frozen=True)
class StoredModel:
    """A model package with its recipe and the views it was trained on."""

    run_id: str
    card: ModelCard
    network: nn.Module
    recipe: AnyRecipe
    seen: SeenViews
    majority_country: str | None = None  # the most frequent one in training, if recorded


@dataclass(frozen=True)
class ModelTest:
    """Photos to test a stored model on; left_out: new places in countries that it cannot name.

    is_own: the test set of the model's own run, with its training data.
    """

    split_data: SplitData
    is_own: bool = True
    left_out: tuple[LeftOut, ...] = ()


def evaluate_stored(name: str, dataset: str, session: Session, on_damage: OnDamage) -> Report:
    """Evaluate a run's model (see run_named) on a dataset.

    The test set is that of the run if the same places can be split in the same way again, else
    every view that the model has not seen. Raises InvalidInput.
    """
    model = load_model(run_named(name, session.tracking, session.registry), session)
    cache = load_cache(dataset, model.card.image, session, on_damage=on_damage)
    return report_stored(model, read_test(model, cache, session.device))


def report_stored(model: StoredModel, test: ModelTest) -> Report:
    """Evaluate a stored model on its test data."""
    report = evaluate(
        model.network,
        test.split_data,
        model.recipe,
        protocol=None if test.is_own else UNSEEN_PROTOCOL,
        calibration=model.card.calibration,
    )
    facts = {"run_id": model.run_id, "trained_at": model.card.trained_at}
    if test.is_own:
        return report.model_copy(update=facts)
    found = {
        "baselines": _baselines(report, model.majority_country),
        "left_out": test.left_out,
        "without_position": _without_position(model, test.split_data),
    }
    return report.model_copy(update={**facts, **found})


def read_test(model: StoredModel, cache: TensorCache, device: torch.device) -> ModelTest:
    """Return data that the model was neither trained on nor selected by. Raises InvalidInput."""
    recipe, card = model.recipe, model.card
    if cache.header.manifest_digest == card.manifest_digest:
        split_data = read_split_data(cache, recipe, device)
        # Photos that were skipped as damaged may be readable now, and the split may have changed.
        if is_same_training(seen_views(split_data), model.seen):
            return ModelTest(split_data)
    found, left_out = read_unseen_data(cache, recipe, device, card.countries, model.seen)
    return ModelTest(found, is_own=False, left_out=left_out)


def is_same_training(one: SeenViews, other: SeenViews) -> bool:
    """Return whether both name the same photos of the same locations."""
    pairs = ((one.location_ids, other.location_ids), (one.sha256s, other.sha256s))
    return all(set(ours) == set(theirs) for ours, theirs in pairs)


def _without_position(model: StoredModel, split_data: SplitData) -> int:
    """Count the tested places and the seen ones between which no distance is known."""
    if not model.recipe.split.spec.apart_km:
        return 0
    index, rows = split_data.index, split_data.split.test
    tested = np.unique(index.location_ids[rows][np.isnan(index.lats[rows])])
    return len(tested) + len(model.seen.location_ids) - len(model.seen.positions)


def _baselines(report: Report, majority_country: str | None) -> Baselines:
    """Return the baselines on a test set that is not from the model's own training dataset."""
    images = {row.country_code: row.images for row in report.per_country}
    share = images[majority_country] / sum(images.values()) if majority_country else None
    return Baselines(
        chance=report.baselines.chance, majority=share, majority_country=majority_country
    )


def load_model(run_id: str, session: Session) -> StoredModel:
    """Download and verify a run's model. Raises InvalidInput or ChecksumMismatch."""
    fetch = session.tracking.fetch
    with tempfile.TemporaryDirectory() as folder:
        package = fetch(run_id, MODEL_ARTIFACTS, Path(folder))
        card = ModelCard.model_validate_json((package / CARD).read_text())
        network = _network(package / WEIGHTS, card)
        report = Report.model_validate_json((package / REPORT).read_text())
        recipe = parse_any_recipe(fetch(run_id, RECIPE_FILE, Path(folder)).read_text())
        seen = fetch(run_id, SEEN_FILE, Path(folder)).read_text()
    return StoredModel(
        run_id,
        card,
        network,
        recipe,
        SeenViews.model_validate_json(seen),
        report.baselines.majority_country,
    )


def _network(weights: Path, card: ModelCard) -> nn.Module:
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card.sha256[WEIGHTS]:
        raise ChecksumMismatch(f"{WEIGHTS} does not have the SHA-256 in the model card.")
    try:
        network = build_model(
            card.network,
            len(card.countries),
            card.image.model_dump(),
            [backbone.model_dump() for backbone in card.backbones],
        )
    except UnknownNetwork as error:
        raise InvalidInput(f"The model cannot be built: {error}.") from None
    network.load_state_dict(load_file(weights))
    return network
