"""Measure every recipe on the same test places, seed by seed.

A seed changes the split and the initialisation; all recipes of a seed share the split. The
regularisation of a head and the best head are chosen on places outside the test set. Each recipe
is tested on a test set once.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from euguess.errors import InvalidRecipe
from euguess.images.postprocessing import log_softmax
from euguess.messages.serving import ImageSpec
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe, read_head_recipe
from euguess.training.recipes.recipe import Recipe, read_recipe
from euguess.training.recipes.weights import is_weights_file
from services.trainer.cache.format import TensorCache
from services.trainer.evaluation.evaluation import Predictions, predict_logits
from services.trainer.evaluation.metrics import fuse_views
from services.trainer.evaluation.version import FIGURES_VERSION
from services.trainer.heads.embeddings import Features, embed_dataset
from services.trainer.heads.experiment import FeaturesOf, embed_views, measure_head
from services.trainer.heads.selection import choose_head
from services.trainer.loading.split_data import LabelledSplit, read_split_data
from services.trainer.real_results.predictions import (
    HeldOut,
    Measurement,
    keep,
    kept,
    places_of_test,
)
from services.trainer.session import Session, load_cache
from services.trainer.training.driver import new_training

FOLDER = "results"
SEEDS = (0, 1, 2)
Chosen = TypeVar("Chosen", Recipe, HeadRecipe)
MEASURE_VERSION = 2  # of stored measurements; increase it when the computation changes


@dataclass(frozen=True)
class Recipes:
    """The recipes to measure, and the reasons for those left out."""

    trained: tuple[Recipe, ...]
    heads: tuple[HeadRecipe, ...]
    left_out: tuple[str, ...]
    across: tuple[HeadRecipe, ...] = ()  # heads to measure across datasets


def read_recipes(folder: Path, weights: Path) -> Recipes:
    """Read the recipes of a folder: *.toml (trained networks), heads/*.toml and across/*.toml.

    Raises InvalidRecipe.
    """
    trained = [read_recipe(path) for path in sorted(folder.glob("*.toml"))]
    heads, without_weights = _read_heads(folder / "heads", weights)
    across, also_without = _read_heads(folder / "across", weights)
    if not trained and not heads:
        raise InvalidRecipe(
            f"No recipe to measure in {folder}: it has no *.toml and no heads/*.toml."
        )
    left_out = sorted({*without_weights, *also_without})
    return Recipes(tuple(trained), tuple(heads), tuple(left_out), tuple(across))


def _read_heads(folder: Path, weights: Path) -> tuple[list[HeadRecipe], list[str]]:
    """Read the head recipes of a folder, and the reasons for those without their weights."""
    heads, left_out = [], []
    for path in sorted(folder.glob("*.toml")):
        head = read_head_recipe(path).with_weights_in(weights)
        missing = sorted({Path(b.weights).name for b in head.backbones if _is_missing(b)})
        if missing:
            left_out.append(f"{head.name}: missing weights {', '.join(missing)}")
        else:
            heads.append(head)
    return heads, left_out


def _is_missing(backbone: Backbone) -> bool:
    return is_weights_file(backbone.weights) and not Path(backbone.weights).is_file()


@dataclass(frozen=True)
class Benchmark:
    """The dataset and session of a benchmark; caches and features are loaded once."""

    dataset: str
    session: Session
    caches: Callable[[ImageSpec], TensorCache]
    features_of: FeaturesOf


def open_benchmark(dataset: str, session: Session, heads: Sequence[HeadRecipe]) -> Benchmark:
    """Open a benchmark; each backbone runs only once, for the layers of all heads."""
    layers = _layers_by_backbone(heads)
    caches: dict[int, TensorCache] = {}
    features: dict[str, tuple[Features, ...]] = {}

    def cache_of(image: ImageSpec) -> TensorCache:
        if image.size not in caches:
            caches[image.size] = load_cache(dataset, image, session)
        return caches[image.size]

    def features_of(backbone: Backbone, given: ImageSpec) -> tuple[Features, ...]:
        bare = backbone.with_layers(())
        key = bare.model_dump_json()
        of_images = f"{key} {given.model_dump_json()}"
        if of_images not in features:
            widest = bare.with_layers(layers[key])
            features[of_images] = embed_dataset(dataset, widest, given, session).blocks
        penultimate, *inner = features[of_images]
        wanted = (inner[layers[key].index(name)] for name in backbone.layers)
        return penultimate, *wanted

    return Benchmark(dataset, session, cache_of, features_of)


def _layers_by_backbone(heads: Sequence[HeadRecipe]) -> dict[str, tuple[str, ...]]:
    """Return the sorted layers that any head uses, by backbone without layers."""
    found: dict[str, set[str]] = {}
    for backbone in (backbone for head in heads for backbone in head.backbones):
        key = backbone.with_layers(()).model_dump_json()
        found.setdefault(key, set()).update(backbone.layers)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def measure_all(recipes: Recipes, benchmark: Benchmark) -> list[Measurement]:
    """Measure every recipe with every seed; earlier measurements are read from disk."""
    found = []
    for seed in SEEDS:
        for recipe in recipes.trained:
            own = seeded(recipe, seed)
            found.append(_once(own, benchmark, partial(_measure_training, own, benchmark)))
        for head in recipes.heads:
            of_seed = seeded(head, seed)
            found.append(_once(of_seed, benchmark, partial(_measure_head, of_seed, benchmark)))
    return found


def seeded(recipe: Chosen, seed: int) -> Chosen:
    split = recipe.split.model_copy(update={"seed": seed})
    return recipe.model_copy(update={"seed": seed, "split": split})


def _once(
    recipe: Recipe | HeadRecipe, benchmark: Benchmark, measure: Callable[[], Measurement]
) -> Measurement:
    manifest = benchmark.caches(ImageSpec(size=64)).header.manifest_digest
    facts = f"{FIGURES_VERSION} {MEASURE_VERSION} {manifest} {_facts_of(recipe)}"
    folder = benchmark.session.home / FOLDER
    fingerprint = hashlib.sha256(facts.encode()).hexdigest()[:16]
    measured = kept(folder, fingerprint)
    if measured is None:
        measured = measure()
        keep(folder, fingerprint, measured)
    benchmark.session.display.note(
        f"seed {measured.seed}  {measured.recipe}: trained in {measured.seconds:.0f} s"
    )
    return measured


def _facts_of(recipe: Recipe | HeadRecipe) -> str:
    """Return a recipe as JSON, without the folder of its weights files."""
    if isinstance(recipe, Recipe):
        return recipe.model_dump_json()
    plain = (b.model_copy(update={"weights": Path(b.weights).name}) for b in recipe.backbones)
    return recipe.model_copy(update={"backbones": tuple(plain)}).model_dump_json()


def _measure_training(recipe: Recipe, benchmark: Benchmark) -> Measurement:
    session = benchmark.session
    split_data = read_split_data(benchmark.caches(recipe.image), recipe, session.device)
    training = new_training(recipe, split_data, session.device)
    started = time.perf_counter()
    with session.display.bar(f"Training {recipe.name}") as bar:
        network = training.run(after_epoch=lambda progress: None, bar=bar).network
    seconds = time.perf_counter() - started
    rows = split_data.split.test
    log_probabilities = log_softmax(predict_logits(network, split_data.images, rows))
    ids = split_data.index.location_ids[rows]
    answers = Predictions(
        log_probabilities, lambda views: fuse_views(log_probabilities, ids, views=views)
    )
    return _measured(recipe, split_data, answers, seconds)


def _measure_head(recipe: HeadRecipe, benchmark: Benchmark) -> Measurement:
    cache = benchmark.caches(recipe.image)
    embedded = embed_views(recipe, cache, benchmark.features_of)
    started = time.perf_counter()
    chosen = choose_head(embedded, recipe.head, recipe.seed)
    seconds = time.perf_counter() - started
    outcome = measure_head(recipe, embedded, chosen)
    score = chosen.score
    measured = _measured(recipe, embedded.views, outcome.predictions, seconds)
    return measured.model_copy(
        update={
            "held_out": HeldOut(nll=score.nll, accuracy=score.accuracy),
            "choice": f"C = {score.regularisation:g}",
        }
    )


def _measured(
    recipe: Recipe | HeadRecipe, views: LabelledSplit, answers: Predictions, seconds: float
) -> Measurement:
    trained, tested = views.labels[views.split.train], views.labels[views.split.test]
    return Measurement(
        recipe=recipe.name,
        seed=recipe.seed,
        places=places_of_test(views, answers),
        seconds=seconds,
        chance=1 / len(views.countries),
        majority=float(np.mean(tested == np.bincount(trained).argmax())),
    )
