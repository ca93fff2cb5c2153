"""Fusion, predictions, rejections and the verification of packages."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from torch import nn

from euguess.images.photo_headers import InvalidImage
from euguess.images.preprocessing import decode_photo
from euguess.messages import records
from euguess.messages.serving import Prediction, ViewsCalibration
from services import head_network, networks
from services.inference import classifier as archived_classifier
from services.inference.classifier import (
    ABSTAIN_BELOW,
    Classifier,
    RequestRejected,
    country_set,
    fuse,
    load_classifier,
    normalise,
)
from services.inference.model_package import InvalidModel, Outputs, file_sha256
from tests.support.model_packages import COUNTRIES, SIZE, make_package, write_card
from tests.support.uploads import BAD_UPLOADS, photo


def _answer(classifier: Classifier, *views: bytes) -> Prediction:
    return Prediction.model_validate(classifier.predict(views))


def _rejection(classifier: Classifier, *views: bytes) -> RequestRejected:
    with pytest.raises(RequestRejected) as rejection:
        classifier.predict(views)
    return rejection.value


def _classifier_of(
    probabilities: list[float], distances: list[float] | None = None, **card_fields: object
) -> Classifier:
    """Make a classifier whose network always gives the same probabilities and distances."""
    codes = list(COUNTRIES.items())[: len(probabilities)]
    card = {
        "image": {"size": SIZE, "mean": [0.5] * 3, "std": [0.5] * 3},
        "countries": [{"country_code": code, "name": name} for code, name in codes],
        "temperature": 1.0,
        "name": "euguess",
        "version": "1",
        "dataset": "test",
        "trained_at": "2026-01-02T00:00:00Z",
        **card_fields,
    }
    logits = np.log(np.asarray(probabilities, np.float32))
    measured = None if distances is None else np.asarray(distances, np.float32)
    return Classifier(
        card, decode_photo, lambda images: Outputs(np.tile(logits, (len(images), 1)), measured)
    )


@pytest.mark.parametrize(
    ("distances", "familiarity", "is_unfamiliar"),
    [
        ([50.0], 0.51, False),
        ([99.0], 0.02, False),
        ([99.5], 0.01, True),
        ([1.0, 500, 500], 0.01, True),
    ],
)
def test_photos_far_from_those_of_training_are_unfamiliar_and_not_answered(
    distances: list[float], familiarity: float, *, is_unfamiliar: bool
) -> None:
    held_out = {"distances": [float(n) for n in range(1, 100)]}
    classifier = _classifier_of([0.9, 0.1], distances, familiarity=held_out)
    answer = _answer(classifier, *[photo()] * len(distances))
    assert answer.familiarity == pytest.approx(familiarity)
    assert answer.unfamiliar == answer.abstain == is_unfamiliar


def test_a_model_that_measures_no_distance_says_nothing_of_familiarity() -> None:
    answer = _answer(_classifier_of([0.9, 0.1]), photo())
    assert answer.familiarity is None
    assert not answer.unfamiliar


def test_the_prediction_for_one_view_is_the_softmax_of_scaled_logits() -> None:
    logits = np.asarray([[2.0, 0.0, -2.0]], np.float32)
    expected = np.exp([1.0, 0.0, -1.0]) / np.exp([1.0, 0.0, -1.0]).sum()
    assert fuse(logits, temperature=2.0) == pytest.approx(expected)


def test_views_are_fused_by_the_geometric_mean_of_their_probabilities() -> None:
    views = np.asarray([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    mean = np.sqrt(views[0] * views[1])
    assert fuse(np.log(views).astype(np.float32), 1.0) == pytest.approx(mean / mean.sum(), rel=1e-5)


def test_fusion_does_not_depend_on_the_order_or_on_repetition_of_views() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    once = fuse(logits, 1.3)
    assert fuse(logits[::-1], 1.3) == pytest.approx(once)
    assert fuse(np.concatenate([logits, logits]), 1.3) == pytest.approx(once)


def test_huge_logits_do_not_overflow() -> None:
    assert fuse(np.asarray([[1e4, 0.0]], np.float32), 1.0) == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("probabilities", "size"),
    [
        ([0.95, 0.03, 0.02], 1),
        ([0.9, 0.06, 0.04], 1),  # exactly 90 % is enough
        ([0.5, 0.4, 0.1], 2),
        ([0.4, 0.3, 0.3], 3),
        ([0.25, 0.25, 0.25, 0.25], 4),
    ],
)
def test_country_set_without_calibration_is_the_smallest_that_reaches_90_percent(
    probabilities: list[float], size: int
) -> None:
    values = np.asarray(probabilities)
    assert len(country_set(values, np.argsort(-values))) == size


@pytest.mark.parametrize(("first", "abstains"), [(ABSTAIN_BELOW + 0.01, False), (0.21, True)])
def test_it_abstains_if_no_country_is_likely(*, first: float, abstains: bool) -> None:
    classifier = _classifier_of([first] + [(1 - first) / 5] * 5)
    assert _answer(classifier, photo()).abstain is abstains


@pytest.mark.parametrize(
    ("threshold", "size"),
    [(0.0, 4), (0.1, 4), (0.15, 2), (0.3, 2), (0.5, 1), (0.6, 1), (1.0, 1)],
)
def test_country_set_has_all_countries_that_reach_the_threshold_and_at_least_one(
    threshold: float, size: int
) -> None:
    values = np.asarray([0.1, 0.3, 0.0999999999999, 0.5])
    chosen = country_set(values, np.argsort(-values), threshold)
    assert chosen.tolist() == [3, 1, 0, 2][:size]


CALIBRATION = [
    {"views": 1, "temperature": 2.0, "set_threshold": 0.5, "abstain_threshold": 0.3},
    {"views": 3, "temperature": 0.5, "set_threshold": 0.05, "abstain_threshold": 0.9},
]


@pytest.mark.parametrize(
    ("views", "temperature"), [(1, 2.0), (2, 2.0), (3, 0.5), (4, 0.5), (8, 0.5)]
)
def test_a_prediction_uses_the_calibration_for_its_number_of_views(
    views: int, temperature: float
) -> None:
    probabilities = np.asarray([0.5, 0.3, 0.2])
    classifier = _classifier_of(probabilities.tolist(), calibration=CALIBRATION)
    answer = _answer(classifier, *[photo()] * views)
    expected = probabilities ** (1 / temperature) / (probabilities ** (1 / temperature)).sum()
    assert [row.probability for row in answer.top] == pytest.approx(expected, abs=1e-5)
    assert len(answer.country_set) == (1 if temperature == 2.0 else 3)
    assert answer.abstain is (temperature == 0.5)


def test_each_request_of_a_batch_uses_the_calibration_for_its_own_views() -> None:
    classifier = _classifier_of([0.5, 0.3, 0.2], calibration=CALIBRATION)
    requests = [classifier.decode([photo()] * views) for views in (3, 1, 4)]
    alone = [classifier.classify([request])[0] for request in requests]
    assert classifier.classify(requests) == alone


def test_predictions_list_the_five_most_likely_countries_in_order(package: Path) -> None:
    prediction = _answer(load_classifier(package, decode_photo), photo(1), photo(2))
    probabilities = [row.probability for row in prediction.top]
    assert len(prediction.top) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert prediction.country_code == prediction.top[0].country_code
    assert prediction.views == 2
    assert prediction.model.dataset == "test"


def test_a_prediction_has_the_probabilities_of_all_countries(package: Path) -> None:
    prediction = _answer(load_classifier(package, decode_photo), photo())
    shares = list(prediction.probabilities.values())
    assert set(prediction.probabilities) == set(COUNTRIES)
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_a_model_of_two_countries_lists_two() -> None:
    assert len(_answer(_classifier_of([0.6, 0.4]), photo()).top) == 2


def test_a_batch_gives_the_same_predictions_as_its_requests_alone(package: Path) -> None:
    classifier = load_classifier(package, decode_photo)
    uploads = [[photo(1)], [photo(2), photo(3), photo(4)], [photo(5)] * 8]
    requests = [classifier.decode(views) for views in uploads]
    alone = [classifier.classify([request])[0] for request in requests]
    together = classifier.classify(requests)
    for one, other in zip(alone, together, strict=True):
        assert one["country_code"] == other["country_code"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_the_temperature_of_the_card_is_used(tmp_path: Path) -> None:
    sharp = load_classifier(make_package(tmp_path / "a", temperature=1.0), decode_photo)
    flat = load_classifier(make_package(tmp_path / "b", temperature=5.0), decode_photo)
    assert _answer(flat, photo()).probability < _answer(sharp, photo()).probability


def test_onnx_and_torch_agree(package: Path) -> None:
    onnx_model = load_classifier(package, decode_photo)
    torch_model = load_classifier(package, decode_photo, device="cpu")
    for seed in range(5):
        views = [photo(seed), photo(seed + 10)]
        one, other = _answer(onnx_model, *views), _answer(torch_model, *views)
        assert one.country_code == other.country_code
        assert one.probability == pytest.approx(other.probability, abs=1e-4)


def test_without_timm_torch_rejects_a_timm_network_and_onnx_serves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path)
    card = write_card(package).model_copy(update={"network": "timm/test_efficientnet"})
    (package / "model.json").write_text(card.model_dump_json())
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InvalidModel, match="needs the package timm"):
        load_classifier(package, decode_photo, device="cpu")
    assert _answer(load_classifier(package, decode_photo), photo()).views == 1


def test_code_in_a_package_is_not_run(package: Path, tmp_path: Path) -> None:
    (package / "network.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    card = write_card(package)
    digest = {"network.py": file_sha256(package / "network.py")}
    card = card.model_copy(update={"sha256": {**card.sha256, **digest}})
    (package / "model.json").write_text(card.model_dump_json())
    assert _answer(load_classifier(package, decode_photo, device="cpu"), photo()).views == 1
    assert not (tmp_path / "ran").exists()


def test_a_model_that_this_release_builds_differently_is_served_by_onnx_only(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = networks.build_network

    def changed(*arguments: Any, **options: Any) -> nn.Module:
        network = build(*arguments, **options)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.5
        return network

    monkeypatch.setattr(head_network, "build_network", changed)
    with pytest.raises(InvalidModel, match=r"exported the model on 2026-01-02\. Train the recipe"):
        load_classifier(package, decode_photo, device="cpu")
    assert _answer(load_classifier(package, decode_photo), photo()).views == 1


def test_weights_of_another_network_are_rejected(package: Path) -> None:
    card = write_card(package).model_copy(update={"network": "customnet"})
    (package / "model.json").write_text(card.model_dump_json())
    with pytest.raises(InvalidModel, match="Could not build customnet"):
        load_classifier(package, decode_photo, device="cpu")


def test_onnx_and_torch_agree_on_country_sets_and_abstention(tmp_path: Path) -> None:
    calibration = tuple(
        ViewsCalibration(
            views=views,
            locations=30,
            temperature=temperature,
            set_threshold=0.1,
            abstain_threshold=0.5,
        )
        for views, temperature in ((1, 1.5), (2, 0.4))
    )
    package = make_package(tmp_path / "package", calibration=calibration)
    answers = [
        [
            _answer(load_classifier(package, decode_photo, device), *map(photo, range(seed, end)))
            for seed in range(5)
            for end in (seed + 1, seed + 3)
        ]
        for device in (None, "cpu")
    ]
    for one, other in zip(*answers, strict=True):
        assert (one.country_set, one.abstain) == (other.country_set, other.abstain)
    assert {answer.abstain for answer in answers[0]} == {True, False}


def test_normalised_pixels_are_channels_first() -> None:
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels[..., 1] = 255
    mean, std = np.asarray([0.5, 0.5, 0.5], np.float32), np.asarray([0.5, 0.25, 1], np.float32)
    images = normalise(pixels, mean, std)
    assert images.shape == (1, 3, 4, 4)
    assert images[0, :, 0, 0] == pytest.approx([-1.0, 2.0, -0.5])


@pytest.mark.parametrize("name", BAD_UPLOADS)
def test_a_bad_photo_is_rejected_with_a_reason(package: Path, name: str) -> None:
    draw, _, reason = BAD_UPLOADS[name]
    rejection = _rejection(load_classifier(package, decode_photo), draw())
    assert isinstance(rejection.error, InvalidImage)
    assert reason in str(rejection)


def test_a_rejection_names_the_bad_view(package: Path) -> None:
    classifier = load_classifier(package, decode_photo)
    assert str(_rejection(classifier, photo(), b"words")).startswith("View 2: Unknown image format")


def test_the_archive_accepts_as_many_views_as_the_clients_send() -> None:
    assert archived_classifier.MAX_VIEWS == records.MAX_VIEWS


@pytest.mark.parametrize("count", [0, 9])
def test_zero_and_nine_views_are_rejected(package: Path, count: int) -> None:
    classifier = load_classifier(package, decode_photo)
    rejection = _rejection(classifier, *[photo()] * count)
    assert str(rejection) == f"{count} views; send 1 to 8 photos."


def _damage(package: Path) -> None:
    path = package / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _forget_digest(package: Path) -> None:
    card = json.loads((package / "model.json").read_text())
    del card["sha256"]["model.onnx"]
    (package / "model.json").write_text(json.dumps(card))


def _escape_folder(package: Path) -> None:
    card = json.loads((package / "model.json").read_text())
    card["sha256"]["../package/model.onnx"] = card["sha256"]["model.onnx"]
    (package / "model.json").write_text(json.dumps(card))


def _drop_country(package: Path) -> None:
    card = json.loads((package / "model.json").read_text())
    card["countries"].pop()
    (package / "model.json").write_text(json.dumps(card))


def _spoil_weights(package: Path) -> None:
    model = onnx.load(package / "model.onnx")
    first = model.graph.initializer[0]
    values = np.full_like(onnx.numpy_helper.to_array(first), np.nan)
    first.CopyFrom(onnx.numpy_helper.from_array(values, first.name))
    onnx.save(model, package / "model.onnx")
    write_card(package)


def _replace_model_by_text(package: Path) -> None:
    (package / "model.onnx").write_text("no model")
    write_card(package)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage, "model.onnx does not have the SHA-256"),
        (lambda package: (package / "model.onnx").unlink(), "model.onnx is missing"),
        (lambda package: (package / "model.json").unlink(), "no readable model.json"),
        (lambda package: (package / "model.json").write_text("[]"), "no readable model.json"),
        (_forget_digest, "does not list the SHA-256 of model.onnx"),
        (_escape_folder, "is missing from the model package"),
        (_drop_country, "the card lists 5 countries"),
        (_spoil_weights, "not finite"),
        (_replace_model_by_text, "Could not load"),
    ],
)
def test_an_invalid_package_is_rejected(
    package: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(package)
    with pytest.raises(InvalidModel, match=reason):
        load_classifier(package, decode_photo)
