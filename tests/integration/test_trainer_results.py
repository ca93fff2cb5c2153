"""The real results benchmark gives a network the same score as a run of the same recipe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from euguess.training.recipes.recipe import parse_recipe
from services.trainer.real_results.measure import Recipes, measure_all, open_benchmark
from services.trainer.runs.experiment import run_experiment
from services.trainer.session import Session
from tests.support.trainer_home import RECIPE, TrainerHome, tiny_request

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)

# Hardly learns, so most of the 1000 outputs score higher than the countries' outputs.
UNTRAINED = (
    "network=smallnet",
    "epochs=1",
    "optimizer.learning_rate=1e-7",
    "split.test_fraction=0.5",
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    home = TrainerHome(Path(tmp_path_factory.mktemp("results")))
    home.fill()
    return home.session()


def test_a_network_with_an_imagenet_head_is_scored_among_the_countries(
    session: Session,
) -> None:
    recipe = parse_recipe(RECIPE, (*UNTRAINED, "faults.keeps_imagenet_head=true"))
    request = replace(tiny_request(), recipe=recipe)
    recipes = Recipes((recipe,), (), ())
    measured, *_ = measure_all(recipes, open_benchmark("tiny", session, ()))
    report = run_experiment(request, session).report
    single = np.mean([place.single for place in measured.places])
    assert single > 0
    assert single == pytest.approx(report.metrics["top1_accuracy"].value)
