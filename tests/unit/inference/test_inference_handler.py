"""The handler as TorchServe loads it: from an archive, with its other modules."""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import Explanation, Prediction
from services.inference.archive import SOURCES, ArchiveOptions, build_archive
from services.inference.classifier import Photos, load_classifier
from tests.support.hostile_photos import UNWRITABLE_EXIF, unwritable_exif
from tests.support.phone_photos import phone_photo
from tests.support.uploads import BAD_UPLOADS, photo


class StubContext:
    """The parts of ts.context.Context that the handler uses."""

    def __init__(self, model_dir: Path, headers: Sequence[Mapping[str, str]] = ()) -> None:
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        self.statuses: dict[int, int] = {}
        self.content_types: dict[int, str] = {}
        self._headers = headers

    def get_all_request_header(self, index: int) -> Mapping[str, str]:
        return self._headers[index] if self._headers else {}

    def set_response_content_type(self, index: int, value: str) -> None:
        self.content_types[index] = value

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = code


@pytest.fixture
def archive(package: Path, tmp_path: Path) -> Path:
    return build_archive(package, tmp_path / "archive", ArchiveOptions())


@pytest.fixture
def handler(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An initialised handler whose own modules come from the archive."""
    names = [name.removesuffix(".py") for name in SOURCES]
    monkeypatch.syspath_prepend(str(archive))
    handler = importlib.import_module("handler").CountryHandler()
    handler.initialize(StubContext(archive))
    yield handler
    for name in names:
        sys.modules.pop(name, None)  # torch's code is imported for explanations only


def _run(handler: Any, archive: Path, *rows: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    context = StubContext(archive)
    bodies = handler.handle(list(rows), context)
    assert set(context.content_types.values()) == {"application/json"}
    assert len(bodies) == len(rows)
    return [(context.statuses.get(i, 200), json.loads(body)) for i, body in enumerate(bodies)]


def test_a_body_is_answered_with_a_prediction_in_compact_json(handler: Any, archive: Path) -> None:
    body = handler.handle([{"body": bytearray(photo())}], StubContext(archive))[0]
    prediction = Prediction.model_validate_json(body)
    assert prediction.views == 1
    assert ": " not in body


@pytest.mark.parametrize("count", range(1, 9))
def test_every_field_of_a_form_is_a_view(handler: Any, archive: Path, count: int) -> None:
    row = {f"view{i}": bytearray(photo(i)) for i in range(1, count + 1)}
    ((status, answer),) = _run(handler, archive, row)
    assert status == 200
    assert Prediction.model_validate(answer).views == count


@pytest.mark.parametrize("name", BAD_UPLOADS)
def test_a_bad_upload_gets_its_own_status_and_does_not_affect_its_batch(
    handler: Any, archive: Path, name: str
) -> None:
    draw, status, reason = BAD_UPLOADS[name]
    answers = _run(handler, archive, {"body": photo()}, {"body": draw()}, {"body": photo()})
    assert [code for code, _ in answers] == [200, status, 200]
    assert answers[1][1]["code"] == status
    assert reason in answers[1][1]["message"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "0 views"),
        ({f"view{i}": photo() for i in range(9)}, "9 views"),
        ({"body": {"image": "..."}}, "body is JSON or text"),
        ({"body": "words"}, "body is JSON or text"),
        ({"view1": photo(), "view2": photo()[:500]}, "View 2:"),
    ],
)
def test_a_request_without_1_to_8_photos_is_rejected(
    handler: Any, archive: Path, row: dict[str, Any], reason: str
) -> None:
    answers = _run(handler, archive, row, {"body": photo()})
    assert [status for status, _ in answers] == [400, 200]
    assert reason in answers[0][1]["message"]


def test_views_that_torchserve_dropped_are_reported(handler: Any, archive: Path) -> None:
    """Of three fields with one name only the last arrives; the form's length reveals it."""
    view = photo(side=640, kind="PNG")
    form = {"content-type": "multipart/form-data; boundary=x"}
    headers = [
        {**form, "content-length": str(3 * len(view) + 450)},
        {**form, "content-length": str(len(view) + 150)},
    ]
    context = StubContext(archive, headers)
    bodies = handler.handle([{"view": view}, {"view": view}], context)
    assert context.statuses == {0: 400}
    assert "view1 to view8" in json.loads(bodies[0])["message"]


def test_a_model_failure_affects_only_the_request_that_causes_it(
    handler: Any, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class FailsForTwoViews:
        def __init__(self, classifier: Any) -> None:
            self._classifier = classifier
            self.decode = classifier.decode

        def classify(self, requests: list[Photos]) -> Any:
            if any(len(photos) == 2 for photos in requests):
                raise RuntimeError("out of memory")
            return self._classifier.classify(requests)

    handler._classifier = FailsForTwoViews(handler._classifier)
    two_views = {"view1": photo(), "view2": photo()}
    answers = _run(handler, archive, {"body": photo()}, two_views, {"body": photo()})
    assert [status for status, _ in answers] == [200, 500, 200]
    assert "out of memory" in capsys.readouterr().err


def test_a_decoder_failure_affects_only_the_request_that_causes_it(
    handler: Any, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decode = handler._classifier._decode

    def fail_for_bomb(data: bytes, size: int) -> Any:
        if data == b"bomb":
            raise MemoryError("out of memory")
        return decode(data, size)

    handler._classifier._decode = fail_for_bomb
    answers = _run(handler, archive, {"body": photo()}, {"body": b"bomb"}, {"body": photo()})
    assert [status for status, _ in answers] == [200, 500, 200]
    assert "out of memory" in capsys.readouterr().err


def test_each_request_may_use_its_share_of_the_time_for_decoding(
    handler: Any, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(handler._decoder, "allow", shares.append)
    _run(handler, archive, *[{"body": photo()}] * 4)
    assert shares[0] == pytest.approx(5, abs=0.1)
    assert len(shares) == 4


def test_a_request_that_uses_up_its_time_does_not_affect_its_batch(
    handler: Any, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow, shares = handler._decoder.allow, iter([60.0, 0.0, 60.0])
    monkeypatch.setattr(handler._decoder, "allow", lambda _: allow(next(shares)))
    answers = _run(handler, archive, *[{"body": photo()}] * 3)
    assert [status for status, _ in answers] == [200, 413, 200]
    assert "too long to decode" in answers[1][1]["message"]


def test_photos_are_decoded_in_another_process(handler: Any, archive: Path) -> None:
    process = handler._decoder._child.process
    assert process.poll() is None
    process.kill()
    process.wait()
    assert _run(handler, archive, {"body": photo()})[0][0] == 200
    assert handler._decoder._child.process.pid != process.pid


@pytest.mark.parametrize("name", UNWRITABLE_EXIF)
def test_a_photo_with_exif_that_pillow_cannot_write_is_answered(
    handler: Any, archive: Path, name: str
) -> None:
    assert _run(handler, archive, {"body": unwritable_exif(name)})[0][0] == 200


@pytest.mark.parametrize("kind", ["MPO", "HEIF"])
def test_files_of_phones_are_answered(handler: Any, archive: Path, kind: str) -> None:
    data = phone_photo(1, kind=kind, size=(96, 64), orientation=6)
    assert _run(handler, archive, {"body": data})[0][0] == 200


def test_the_archive_predicts_the_same_as_the_projects_classifier(
    handler: Any, archive: Path, package: Path
) -> None:
    here = load_classifier(package, decode_photo)
    for seed in range(3):
        data = photo(seed, side=300)
        ((_, served),) = _run(handler, archive, {"body": data})
        assert served == here.predict([data])


def test_the_archive_decodes_photos_as_the_project_does(handler: Any) -> None:
    decode = sys.modules["preprocessing"].decode_photo
    assert sys.modules["preprocessing"].__name__ != "euguess.images.preprocessing"
    data = photo(side=640)
    assert (decode(data, 64) == decode_photo(data, 64)).all()


def test_explanations_and_predictions_share_a_batch(handler: Any, archive: Path) -> None:
    places = [{"view1": photo(1), "view2": photo(2)}, {"body": photo(3)}, {"body": b"words"}]
    headers = [{"explain": "True"}, {"explain": "False"}, {"explain": "True"}]
    context = StubContext(archive, headers)
    first, second, third = handler.handle(places, context)
    explanation = Explanation.model_validate_json(first)
    assert len(explanation.views) == 2
    assert all(view.effect is not None for view in explanation.views)
    assert Prediction.model_validate_json(second).views == 1
    assert context.statuses == {2: 400}
    assert "Unknown image format" in json.loads(third)["message"]


def test_an_explanation_matches_the_prediction(handler: Any, archive: Path) -> None:
    row = {"view1": photo(1), "view2": photo(2)}
    explained = json.loads(handler.handle([row], StubContext(archive, [{"explain": "True"}]))[0])
    predicted = json.loads(handler.handle([row], StubContext(archive))[0])
    for name in ("country_code", "country", "probability", "model"):
        assert explained[name] == predicted[name]
