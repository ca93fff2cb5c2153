"""Linear heads against their objectives and scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from services.trainer.dataset.view_index import Floats
from services.trainer.heads.linear import (
    SHARPNESS,
    Examples,
    LinearModel,
    fit_least_squares,
    fit_logistic,
    place_weights,
)

Fit = Callable[[Examples, tuple[float, ...]], list[LinearModel]]


def examples(rows: int = 60, width: int = 8, countries: int = 4) -> Examples:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, countries, rows)
    centres = rng.normal(size=(countries, width))
    features = centres[labels] + rng.normal(size=(rows, width))
    return Examples(features, labels, np.ones(rows), countries)


def balanced_weights(given: Examples) -> Floats:
    """Weights of countries, where each row is a place of its own."""
    location_ids = np.arange(len(given.labels)).astype(np.str_)
    return place_weights(given.labels, location_ids, is_balanced=True)


@pytest.mark.parametrize("width", [8, 200], ids=["more rows", "more features"])
@pytest.mark.parametrize("is_balanced", [False, True])
def test_logistic_regression_agrees_with_scikit_learn(width: int, is_balanced: bool) -> None:
    given = examples(width=width)
    if is_balanced:
        weights = balanced_weights(given)
        given = Examples(given.features, given.labels, weights, given.num_countries)
    for c, model in zip((0.1, 10.0), fit_logistic(given, (0.1, 10.0)), strict=True):
        theirs = LogisticRegression(
            C=c, max_iter=5000, tol=1e-8, class_weight="balanced" if is_balanced else None
        ).fit(given.features, given.labels)
        their_model = LinearModel(theirs.coef_.T, theirs.intercept_)
        assert objective(model, given, c) <= objective(their_model, given, c) * (1 + 1e-6)
        np.testing.assert_allclose(
            np.exp(model.log_probabilities(given.features)),
            theirs.predict_proba(given.features),
            atol=2e-3,
        )


def objective(model: LinearModel, given: Examples, c: float) -> float:
    log_probabilities = model.log_probabilities(given.features)
    losses = -log_probabilities[np.arange(len(given.labels)), given.labels]
    return float(given.weights @ losses + np.square(model.weights).sum() / (2 * c))


def test_the_same_examples_give_the_same_model() -> None:
    one, other = (fit_logistic(examples(width=100), (1.0,))[0] for _ in range(2))
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()


def test_a_country_without_examples_is_possible_but_never_predicted() -> None:
    given = examples(countries=3)
    (model,) = fit_logistic(Examples(given.features, given.labels, given.weights, 5), (1.0,))
    log_probabilities = model.log_probabilities(given.features)
    assert log_probabilities.shape == (60, 5)
    assert np.isfinite(log_probabilities).all()
    assert log_probabilities.argmax(axis=1).max() < 3


def test_probabilities_add_up_to_one() -> None:
    model = LinearModel(np.eye(3), np.zeros(3))
    sums = np.exp(model.log_probabilities(np.eye(3))).sum(axis=1)
    np.testing.assert_allclose(sums, 1)


def test_a_head_of_two_countries_minimises_the_same_objective() -> None:
    given = examples(countries=2)
    (model,) = fit_logistic(given, (0.1,))

    def loss(flat: np.ndarray) -> float:
        return objective(LinearModel(flat[:-2].reshape(8, 2), flat[-2:]), given, 0.1)

    best = minimize(loss, np.zeros(18), options={"gtol": 1e-5})
    assert objective(model, given, 0.1) == pytest.approx(best.fun, rel=1e-6)
    np.testing.assert_allclose(model.weights.ravel(), best.x[:-2], atol=1e-3)


@pytest.mark.parametrize("fit", [fit_logistic, fit_least_squares])
def test_a_head_of_one_country_always_predicts_it(fit: Fit) -> None:
    given = examples(countries=1)
    (model,) = fit(Examples(given.features, given.labels + 2, given.weights, 4), (1.0,))
    assert set(model.log_probabilities(given.features).argmax(axis=1)) == {2}


@pytest.mark.parametrize("width", [8, 200], ids=["more rows", "more features"])
def test_least_squares_is_at_its_minimum(width: int) -> None:
    given = examples(width=width)
    weights = balanced_weights(given)
    (model,) = fit_least_squares(Examples(given.features, given.labels, weights, 4), (0.5,))
    fitted = (given.features @ model.weights + model.bias) / SHARPNESS
    errors = weights[:, None] * (fitted - np.eye(4)[given.labels])
    gradient = given.features.T @ errors + model.weights / SHARPNESS / 0.5
    np.testing.assert_allclose(gradient, 0, atol=1e-9)
    np.testing.assert_allclose(errors.sum(axis=0), 0, atol=1e-9)


def test_places_count_equally_whatever_their_number_of_views() -> None:
    labels, places = np.array([0, 0, 0, 0, 1]), np.array(["a", "a", "a", "b", "c"])
    weights = place_weights(labels, places, is_balanced=False)
    assert weights == pytest.approx([5 / 9, 5 / 9, 5 / 9, 5 / 3, 5 / 3])
    assert weights.mean() == pytest.approx(1)


def test_balanced_countries_count_equally_whatever_their_number_of_places() -> None:
    labels, places = np.array([0, 0, 0, 0, 1]), np.array(["a", "a", "a", "b", "c"])
    weights = place_weights(labels, places, is_balanced=True)
    assert weights[:4].sum() == pytest.approx(weights[4])
    assert weights[:3].sum() == pytest.approx(weights[3])
