"""From a dataset and a head recipe to a report: embed, choose, fit, measure."""

from collections.abc import Callable
from dataclasses import dataclass

from euguess.training.report import Report
from services.trainer.cache.decoding import OnDamage
from services.trainer.cache.format import TensorCache
from services.trainer.evaluation.certainty import Calibration, fit_calibration
from services.trainer.evaluation.evaluation import Predictions, Subject, report_on
from services.trainer.heads.backbones import Backbone
from services.trainer.heads.embeddings import Features, embed_dataset
from services.trainer.heads.recipe import HeadRecipe, Pooling
from services.trainer.heads.selection import ChosenHead, EmbeddedViews, choose_head
from services.trainer.loading.split_data import label_and_split
from services.trainer.session import Session, load_cache

# The penultimate features and those of each layer, in the rows of the tensor cache.
FeaturesOf = Callable[[Backbone], tuple[Features, ...]]


@dataclass(frozen=True)
class HeadOutcome:
    """A fitted head, what it was measured on, and how good it is."""

    recipe: HeadRecipe
    chosen: ChosenHead
    predictions: Predictions
    report: Report


def run_head(
    recipe: HeadRecipe,
    dataset: str,
    session: Session,
    *,
    on_damage: OnDamage = OnDamage.RAISE,
) -> HeadOutcome:
    """Raises InvalidRecipe or InvalidInput when it cannot be done."""
    cache = load_cache(dataset, recipe.backbones[0].image, session, on_damage=on_damage)

    def features_of(backbone: Backbone) -> tuple[Features, ...]:
        return embed_dataset(dataset, backbone, session, on_damage=on_damage).blocks

    embedded = embed_views(recipe, cache, features_of)
    session.display.note(f"Fitting the head of {recipe.name}")
    return measure_head(recipe, embedded, choose_head(embedded, recipe.head, recipe.seed))


def embed_views(recipe: HeadRecipe, cache: TensorCache, features_of: FeaturesOf) -> EmbeddedViews:
    """The views, divided by the recipe's split, and their features by each backbone."""
    views, rows = label_and_split(cache, recipe.views, recipe.split.spec)
    blocks = [block[rows] for backbone in recipe.backbones for block in features_of(backbone)]
    return EmbeddedViews(views, tuple(blocks))


def measure_head(recipe: HeadRecipe, embedded: EmbeddedViews, chosen: ChosenHead) -> HeadOutcome:
    """The head's predictions to the test part."""
    rows = embedded.views.split.test
    features = chosen.features(embedded.blocks, rows)
    location_ids = embedded.views.index.location_ids[rows]
    predictions = Predictions(
        single=chosen.head.single(features),
        fused=lambda views: chosen.head.fused(features, location_ids, views=views),
        calibration=_calibration(recipe, embedded, chosen),
    )
    report = report_on(_subject(recipe), embedded.views, predictions)
    return HeadOutcome(recipe, chosen, predictions, report)


def _calibration(recipe: HeadRecipe, embedded: EmbeddedViews, chosen: ChosenHead) -> Calibration:
    """From the predictions about held-out places; only averages of log-probabilities have one."""
    if recipe.head.pooling is not Pooling.LOG_PROBABILITIES:
        return ()
    rows, views = chosen.held_out, embedded.views
    return fit_calibration(
        chosen.log_probabilities, views.labels[rows], views.index.location_ids[rows]
    )


def _subject(recipe: HeadRecipe) -> Subject:
    return Subject(
        recipe_name=recipe.name,
        network=" and ".join(backbone.title for backbone in recipe.backbones),
        image_size=max(backbone.image_size for backbone in recipe.backbones),
        protocol=recipe.split.protocol.value,
        apart_km=recipe.split.spec.apart_km,
    )
