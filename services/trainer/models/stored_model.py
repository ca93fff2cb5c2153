"""Load and evaluate a model that an earlier run stored."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from euguess.errors import ChecksumMismatch, InvalidInput
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews
from euguess.promotion.versions import MODEL_ARTIFACTS, SEEN_FILE
from euguess.training.report import Report
from euguess.training.runs import RECIPE_FILE
from services.networks import UnknownNetwork, build_network
from services.trainer.cache.decoding import OnDamage
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.loading.split_data import SplitData, read_split_data, read_unseen_data
from services.trainer.models.export import CARD, WEIGHTS
from services.trainer.recipes.recipe import Recipe, parse_recipe
from services.trainer.session import Session, load_cache

UNSEEN_PROTOCOL = "unseen"  # every view of the dataset that the model was not trained on
CHAMPION_NAME = "champion"


@dataclass(frozen=True)
class StoredModel:
    """A model package with its recipe and the views it was trained on."""

    run_id: str
    card: ModelCard
    network: nn.Module
    recipe: Recipe
    seen: SeenViews


def evaluate_stored(name: str, dataset: str, session: Session, on_damage: OnDamage) -> Report:
    """Evaluate a run's model (by run id, or "champion") on a dataset.

    The test set is that of the recipe's split if the dataset has not changed since the training,
    else every view that the model has not seen. Raises InvalidInput.
    """
    model = load_model(resolve_run(name, session), session)
    split_data, is_same = read_test_data(model, dataset, session, on_damage)
    protocol = None if is_same else UNSEEN_PROTOCOL
    report = evaluate(
        model.network,
        split_data,
        model.recipe,
        protocol=protocol,
        calibration=model.card.calibration,
    )
    return report.model_copy(update={"run_id": model.run_id, "trained_at": model.card.trained_at})


def read_test_data(
    model: StoredModel, dataset: str, session: Session, on_damage: OnDamage
) -> tuple[SplitData, bool]:
    """Return a model's test data, and whether the dataset is unchanged since the training."""
    recipe, card, device = model.recipe, model.card, session.device
    cache = load_cache(dataset, card.image, session, on_damage=on_damage)
    if cache.header.manifest_digest == card.manifest_digest:
        return read_split_data(cache, recipe, device), True
    return read_unseen_data(cache, recipe, device, card.countries, model.seen), False


def resolve_run(name: str, session: Session) -> str:
    """Return the run id of "champion", or the name itself. Raises InvalidInput."""
    if name != CHAMPION_NAME:
        return name
    champion = session.registry.champion()
    if champion is None:
        raise InvalidInput(
            "No champion yet. Train and promote a model: `euguess train DATASET --recipe "
            "experiments/demo.toml --promote`."
        )
    return champion.run_id


def load_model(run_id: str, session: Session) -> StoredModel:
    """Download and verify a run's model. Raises InvalidInput or ChecksumMismatch."""
    fetch = session.tracking.fetch
    with tempfile.TemporaryDirectory() as folder:
        package = fetch(run_id, MODEL_ARTIFACTS, Path(folder))
        card = ModelCard.model_validate_json((package / CARD).read_text())
        network = _network(package / WEIGHTS, card)
        recipe = parse_recipe(fetch(run_id, RECIPE_FILE, Path(folder)).read_text())
        seen = fetch(run_id, SEEN_FILE, Path(folder)).read_text()
    return StoredModel(run_id, card, network, recipe, SeenViews.model_validate_json(seen))


def _network(weights: Path, card: ModelCard) -> nn.Module:
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card.sha256[WEIGHTS]:
        raise ChecksumMismatch(f"{WEIGHTS} does not have the SHA-256 in the model card.")
    try:
        network = build_network(card.network, len(card.countries), image_size=card.image.size)
    except UnknownNetwork as error:
        raise InvalidInput(f"The model cannot be built: {error}.") from None
    network.load_state_dict(load_file(weights))
    return network
