"""Responses of the Street View Static API."""

import json

import pytest

from euguess.geography.locations import Coordinate
from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    ProviderError,
    QuotaExceeded,
    Refused,
    TransientError,
    UnusablePanorama,
    View,
)
from services.fetcher.providers.google import (
    MAX_IMAGE_BYTES,
    Answer,
    find_query,
    image_query,
    parse_image,
    parse_metadata,
)

FOUND = {
    "copyright": "© Google",
    "date": "2021-05",
    "location": {"lat": 48.2082, "lng": 16.3738},
    "pano_id": "x" * 22,
    "status": "OK",
}


def metadata(**changes: object) -> Answer:
    body = {name: value for name, value in {**FOUND, **changes}.items() if value is not None}
    return Answer(200, "application/json", json.dumps(body).encode())


def test_a_panorama_has_its_own_position_and_date() -> None:
    found = parse_metadata(metadata())
    assert found is not None
    assert found.coordinate == Coordinate(48.2082, 16.3738)
    assert (found.captured_at, found.is_official) == ("2021-05", True)


@pytest.mark.parametrize(("date", "expected"), [(None, None), ("2019", "2019"), (2019, None)])
def test_the_date_is_optional_and_may_be_a_year(date: object, expected: str | None) -> None:
    found = parse_metadata(metadata(date=date))
    assert found is not None
    assert found.captured_at == expected


@pytest.mark.parametrize(
    "date", ["2021-05\ud83d", "²⁰²¹", "2021-05\n", "last week", "2" * 100_000, {"year": 2021}]
)
def test_a_date_of_another_form_is_left_out(date: object) -> None:
    found = parse_metadata(metadata(date=date))
    assert found is not None
    assert found.captured_at is None


def test_a_copyright_that_cannot_be_stored_is_left_out() -> None:
    found = parse_metadata(metadata(copyright="© Google\ud83d"))
    assert found is not None
    assert (found.attribution, found.is_official) == ("", False)


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"[]", b'"OK"', b"\xff", b"9" * 5_000])
def test_a_body_that_is_no_json_object_is_a_temporary_problem(body: bytes) -> None:
    with pytest.raises(TransientError, match="expected JSON"):
        parse_metadata(Answer(200, "application/json", body))


@pytest.mark.parametrize(
    "changes",
    [
        {"copyright": "© Maria Example"},
        {"copyright": None},
        {"pano_id": "CIHM0ogKEICAgICE7uTSsg" + "x" * 22},
        {"pano_id": "CIHM0ogKEICAgICE7uTSsg"},
        {"pano_id": "AF1QipMx"},
    ],
)
def test_photos_of_users_are_not_official(changes: dict[str, object]) -> None:
    found = parse_metadata(metadata(**changes))
    assert found is not None
    assert not found.is_official


@pytest.mark.parametrize("status", ["ZERO_RESULTS", "NOT_FOUND"])
def test_no_coverage_is_not_an_error(status: str) -> None:
    assert parse_metadata(metadata(status=status)) is None


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"status": "OVER_QUERY_LIMIT"}, QuotaExceeded),
        ({"status": "REQUEST_DENIED"}, AccessDenied),
        ({"status": "INVALID_REQUEST"}, Refused),
        ({"status": "UNKNOWN_ERROR"}, TransientError),
        ({"status": "SOMETHING_NEW"}, Refused),
        ({"status": None}, TransientError),
        ({"pano_id": None}, UnusablePanorama),
        ({"pano_id": "../../slots/FR/0"}, UnusablePanorama),
        ({"pano_id": "ä"}, UnusablePanorama),
        ({"location": {"lat": 95, "lng": 0}}, UnusablePanorama),
        ({"location": {"lat": "here"}}, UnusablePanorama),
        ({"location": None}, UnusablePanorama),
        ({"location": {"lat": 10**400, "lng": 0}}, UnusablePanorama),
        ({"location": {"lat": "1e999", "lng": 0}}, UnusablePanorama),
        ({"location": {"lat": float("nan"), "lng": 0}}, UnusablePanorama),
        ({"pano_id": 1234}, UnusablePanorama),
        ({"status": 7}, TransientError),
        ({"status": ["OK"]}, TransientError),
        ({"status": {"OK": 1}}, TransientError),
        ({"status": "\ud83d"}, Refused),
    ],
)
def test_metadata_errors_map_to_their_types(
    changes: dict[str, object], trouble: type[ProviderError]
) -> None:
    with pytest.raises(trouble) as caught:
        parse_metadata(metadata(**changes))
    assert type(caught.value) is trouble


def test_the_providers_error_message_is_never_repeated() -> None:
    answer = metadata(status="REQUEST_DENIED", error_message="key=canary-key is wrong")
    with pytest.raises(AccessDenied) as caught:
        parse_metadata(answer)
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (Answer(400, "text/plain", b""), Refused),
        (Answer(401, "text/plain", b""), AccessDenied),
        (Answer(403, "text/plain", b""), AccessDenied),
        (Answer(404, "text/plain", b""), ImageryGone),
        (Answer(429, "text/html", b""), QuotaExceeded),
        (Answer(302, "text/html", b""), Blocked),
        (Answer(200, "text/html", b"<html>"), Blocked),
        (Answer(500, "text/plain", b""), TransientError),
        (Answer(502, "text/html", b""), TransientError),
        (Answer(503, "text/plain", b""), TransientError),
        (Answer(504, "text/plain", b""), TransientError),
        (Answer(200, "image/png", b"x"), BadImage),
        (Answer(200, "image/jpeg", b"x" * MAX_IMAGE_BYTES), BadImage),
    ],
)
def test_image_errors_map_to_their_types(answer: Answer, trouble: type[ProviderError]) -> None:
    with pytest.raises(trouble) as caught:
        parse_image(answer)
    assert type(caught.value) is trouble


def test_the_retry_after_header_is_used() -> None:
    with pytest.raises(QuotaExceeded) as caught:
        parse_image(Answer(429, "text/plain", b"", retry_after_seconds=12))
    assert caught.value.retry_after_seconds == 12


def test_images_are_requested_by_panorama_with_a_heading() -> None:
    query = image_query("abc", View(heading=0, fov=90, pitch=-5, size=640))
    assert query == {
        "pano": "abc",
        "size": "640x640",
        "heading": "0",
        "fov": "90",
        "pitch": "-5",
        "return_error_code": "true",
    }


def test_searches_are_outdoors_and_around_the_candidate() -> None:
    query = find_query(Coordinate(48.2082, -1.5), 1000)
    assert query == {"location": "48.2082000,-1.5000000", "radius": "1000", "source": "outdoor"}
