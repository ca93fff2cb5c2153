"""Head experiments, from a dataset and a recipe to a report: embed, select, fit, evaluate."""

from collections.abc import Callable
from dataclasses import dataclass

from euguess.messages.serving import ImageSpec
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe
from euguess.training.report import Report
from services.trainer.cache.format import TensorCache
from services.trainer.evaluation.certainty import Calibration, fit_calibration
from services.trainer.evaluation.evaluation import Predictions, Subject, report_on
from services.trainer.evaluation.metrics import fuse_views
from services.trainer.heads.embeddings import Features
from services.trainer.heads.selection import ChosenHead, EmbeddedViews
from services.trainer.loading.split_data import label_and_split

# Penultimate features, then those of each layer, in the row order of the tensor cache.
# Arguments: a backbone, and the images that the head's model is given.
FeaturesOf = Callable[[Backbone, ImageSpec], tuple[Features, ...]]


@dataclass(frozen=True)
class HeadOutcome:
    """A fitted head with its test predictions and report."""

    recipe: HeadRecipe
    chosen: ChosenHead
    predictions: Predictions
    report: Report


def embed_views(recipe: HeadRecipe, cache: TensorCache, features_of: FeaturesOf) -> EmbeddedViews:
    """Split the views by the recipe and return them with the features of every backbone."""
    views, rows = label_and_split(cache, recipe.views, recipe.split.spec)
    blocks = [
        block[rows]
        for backbone in recipe.backbones
        for block in features_of(backbone, recipe.image)
    ]
    return EmbeddedViews(views, tuple(blocks))


def measure_head(recipe: HeadRecipe, embedded: EmbeddedViews, chosen: ChosenHead) -> HeadOutcome:
    """Evaluate the head on the test set."""
    rows = embedded.views.split.test
    single = chosen.head.log_probabilities(chosen.features(embedded.blocks, rows))
    location_ids = embedded.views.index.location_ids[rows]
    predictions = Predictions(
        single=single,
        fused=lambda views: fuse_views(single, location_ids, views=views),
        calibration=_calibration(embedded, chosen),
    )
    report = report_on(_subject(recipe), embedded.views, predictions)
    report = report.model_copy(update={"notes": chosen.notes})
    return HeadOutcome(recipe, chosen, predictions, report)


def _calibration(embedded: EmbeddedViews, chosen: ChosenHead) -> Calibration:
    """Fit the calibration on held-out locations."""
    rows, views = chosen.held_out, embedded.views
    return fit_calibration(
        chosen.log_probabilities, views.labels[rows], views.index.location_ids[rows]
    )


def _subject(recipe: HeadRecipe) -> Subject:
    return Subject(
        recipe_name=recipe.name,
        network=recipe.network,
        image_size=recipe.image.size,
        protocol=recipe.split.protocol.value,
        apart_km=recipe.split.spec.apart_km,
    )
