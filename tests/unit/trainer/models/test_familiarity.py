"""Photos that are unlike those of training are told by the distance of their features."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from euguess.images.postprocessing import FAMILIAR_SHARE, familiarities
from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ImageSpec, ModelCard
from services.familiarity import FeatureDistance, MeasuringNetwork, with_features
from services.inference.classifier import load_classifier, normalise
from services.inference.model_package import InvalidModel
from services.networks import build_network
from services.trainer.dataset.view_index import Floats, Strings
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.models.export import export_package
from services.trainer.models.familiarity import (
    MAX_DISTANCES,
    Familiarity,
    fit_distance,
    fit_frozen,
    fit_trained,
    measure,
    thinned,
)
from services.trainer.splits.splits import Split
from tests.support.tiny_training import SIZE, tiny_recipe, tiny_split_data
from tests.support.uploads import photo

WIDTH = 24
THEN = datetime(2026, 1, 2, tzinfo=UTC)
NOTHING = np.array([], dtype=np.int64)


def correlated(count: int, seed: int) -> Floats:
    """Draw features whose variance lies in a few directions."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(6, WIDTH))
    return np.asarray(rng.normal(size=(count, 6)) @ mixing + 0.1 * rng.normal(size=(count, WIDTH)))


def split_of(train: int, val: int, test: int) -> Split:
    rows = np.arange(train + val + test)
    parts = np.split(rows, [train, train + val])
    return Split(parts[0], parts[1], parts[2], NOTHING)


def places(count: int) -> Strings:
    return np.array([f"place-{row // 2:05}" for row in range(count)])


def test_the_distance_is_that_of_probabilistic_pca() -> None:
    features, others = correlated(60, 0), correlated(20, 1)
    distance = fit_distance(features)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    precision = PCA(15, random_state=0).fit(scaled).get_precision()
    wanted = (others - features.mean(axis=0)) / features.std(axis=0)
    expected = np.einsum("nd,de,ne->n", wanted, precision, wanted)
    assert distance.components.shape == (WIDTH, 15)
    np.testing.assert_allclose(measure(distance, others), expected, rtol=1e-3)


def test_with_many_photos_it_is_nearly_the_full_mahalanobis_distance() -> None:
    features, others = correlated(4000, 0), correlated(20, 1)
    full = EmpiricalCovariance().fit(features).mahalanobis(others)
    found = measure(fit_distance(features), others)
    assert np.corrcoef(full, found)[0, 1] > 0.99


def test_a_feature_that_never_varies_is_no_division_by_zero() -> None:
    features = correlated(60, 0)
    features[:, 3] = 5.0
    assert np.isfinite(measure(fit_distance(features), features)).all()


def test_rounding_of_nearly_constant_features_does_not_show() -> None:
    features = 1 + 1e-4 * correlated(200, 0)
    distance = fit_distance(features)
    rounded = features + np.random.default_rng(1).normal(0, 3e-7, features.shape)
    np.testing.assert_allclose(measure(distance, rounded), measure(distance, features), rtol=0.02)


def test_of_photos_like_those_of_training_at_most_two_in_a_hundred_are_flagged() -> None:
    flagged = []
    for seed in range(20):
        features = correlated(700, seed)
        fitted = fit_frozen(features, split_of(200, 100, 400), places(700))
        assert fitted is not None
        flagged.append(fitted.calibration.flagged.value)
    assert np.mean(flagged) == pytest.approx(FAMILIAR_SHARE, abs=0.01)


def test_photos_with_other_features_are_flagged() -> None:
    features = correlated(300, 0)
    features[200:] = np.random.default_rng(1).normal(size=(100, WIDTH)) * 2
    fitted = fit_frozen(features, split_of(150, 50, 100), places(300))
    assert fitted is not None
    assert fitted.calibration.flagged.value > 0.95


def test_views_of_a_place_are_held_out_together() -> None:
    """Else each photo would have a copy in the fit, and new places would look unfamiliar."""
    pairs = np.repeat(correlated(200, 0), 2, axis=0)
    fitted = fit_frozen(pairs, split_of(200, 100, 100), places(400))
    assert fitted is not None
    assert fitted.calibration.flagged.value < 0.1


def test_too_few_photos_fit_nothing() -> None:
    assert fit_frozen(correlated(30, 0), split_of(10, 5, 15), places(30)) is None
    one_place = np.array(["place"] * 60)
    assert fit_frozen(correlated(60, 0), split_of(40, 10, 10), one_place) is None


def test_large_datasets_are_thinned() -> None:
    assert len(thinned(np.arange(100_000))) == 10_000
    assert thinned(np.arange(10_001)).tolist() == list(range(0, 10_001, 2))
    assert thinned(np.arange(20)).tolist() == list(range(20))


def test_the_card_lists_a_bounded_number_of_distances() -> None:
    fitted = fit_frozen(correlated(1300, 0), split_of(1000, 200, 100), places(1300))
    assert fitted is not None
    assert len(fitted.calibration.distances) == MAX_DISTANCES
    assert list(fitted.calibration.distances) == sorted(fitted.calibration.distances)


def test_a_photo_counts_among_the_held_out_ones() -> None:
    held_out = np.arange(1.0, 100)
    shares = familiarities(np.array([0.0, 50, 99, 100, np.nan]), held_out)
    assert shares.tolist() == pytest.approx([1.0, 0.51, 0.02, 0.01, 0.01])


@pytest.mark.parametrize("name", ["smallnet", "squeezenet1_1", "resnet18"])
def test_the_features_are_what_the_last_layer_is_given(name: str) -> None:
    network = build_network(name, 3).eval()
    with torch.inference_mode():
        images = torch.randn(2, 3, 64, 64)
        logits, features = with_features(network, images)
        assert torch.equal(logits, network(images))
    assert features.shape == (2, 512)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a network with a distance that was fitted to generated features."""
    folder, recipe = tmp_path_factory.mktemp("package"), tiny_recipe()
    torch.manual_seed(0)
    network, data = build_network("smallnet", 3).eval(), tiny_split_data(recipe)
    report = evaluate(network, data, recipe)
    export_package(folder, network, recipe, report, THEN, fitted(network))
    return folder


def fitted(network: torch.nn.Module) -> Familiarity:
    with torch.inference_mode():
        photos = np.stack([decode_photo(photo(seed), SIZE) for seed in range(120)])
        image = ImageSpec(size=SIZE)
        mean, std = np.asarray(image.mean, np.float32), np.asarray(image.std, np.float32)
        inputs = torch.from_numpy(normalise(photos, mean, std))
        features = with_features(network, inputs)[1].double().numpy()
    found = fit_frozen(features, split_of(80, 20, 20), places(120))
    assert found is not None
    return found


def test_torch_and_onnx_give_the_same_familiarity(package: Path) -> None:
    card = ModelCard.model_validate_json((package / "model.json").read_text())
    assert set(card.sha256) >= {"familiarity.safetensors"}
    answers = [
        load_classifier(package, decode_photo, device).predict([photo(500), photo(501)])
        for device in (None, "cpu")
    ]
    assert answers[0]["familiarity"] == pytest.approx(answers[1]["familiarity"], abs=0.02)
    assert answers[0]["familiarity"] > FAMILIAR_SHARE
    assert not answers[0]["unfamiliar"]


def test_a_damaged_distance_is_refused(package: Path) -> None:
    path = package / "familiarity.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\0\0\0\0")
    try:
        with pytest.raises(InvalidModel, match=r"familiarity\.safetensors"):
            load_classifier(package, decode_photo, "cpu")
    finally:
        path.write_bytes(data)


def test_a_trained_network_is_calibrated_on_val_or_not_at_all() -> None:
    recipe = tiny_recipe()
    data, network = tiny_split_data(recipe), build_network("smallnet", 3).eval()
    assert fit_trained(network, data.images, data.split, data.index.location_ids) is None
    moved = Split(data.split.train[:1], data.split.train[1:], data.split.test, NOTHING)
    if len(moved.val) >= 20:
        assert fit_trained(network, data.images, moved, data.index.location_ids) is not None


def test_a_measuring_network_returns_logits_and_distances() -> None:
    network = MeasuringNetwork(build_network("smallnet", 3), FeatureDistance(512, 4)).eval()
    with torch.inference_mode():
        logits, distances = network(torch.zeros(2, 3, 64, 64))
    assert (logits.shape, distances.shape) == ((2, 3), (2,))
