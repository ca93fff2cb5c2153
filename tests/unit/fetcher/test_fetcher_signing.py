"""URL signing: the published test vectors."""

import pytest

from euguess.errors import InvalidInput
from services.fetcher.providers.google import sign, signature

DOCUMENTED_SECRET = "vNIXE0xscrmjlyV-12Nj_BvUPaw="  # printed in Google's documentation
IMAGE = "/maps/api/streetview?location=40.714728{}-73.998672&size=640x640&key=TEST_KEY"
METADATA = (
    "/maps/api/streetview/metadata?location=48.208200%2C16.373800&radius=1000&source=outdoor"
    "&key=TEST_KEY"
)


@pytest.mark.parametrize(
    ("secret", "target", "expected"),
    [
        ("a2V5", "The quick brown fox jumps over the lazy dog", "3nybhbi3iqa8ino29wqQcBydtNk="),
        (
            DOCUMENTED_SECRET,
            "/maps/api/geocode/json?address=New+York&client=clientID",
            "chaRF2hTJKOScPr-RQCEhZbSzIE=",
        ),
        (DOCUMENTED_SECRET, IMAGE.format(","), "P-BKw24gQ-9-UP_FjeZlMok2W5U="),
        (DOCUMENTED_SECRET, IMAGE.format("%2C"), "boNgxl39m6bZDkLml43j6pM4_iA="),
        (DOCUMENTED_SECRET, METADATA, "TMlhJoQd92bvDTcjBE16md7o3cQ="),
    ],
)
def test_signatures_match_the_reference(secret: str, target: str, expected: str) -> None:
    assert signature(secret, target) == expected


def test_the_signature_comes_last_and_keeps_its_padding() -> None:
    assert sign(METADATA, DOCUMENTED_SECRET).endswith("&signature=TMlhJoQd92bvDTcjBE16md7o3cQ=")


def test_a_secret_that_is_not_base64_is_reported_but_not_shown() -> None:
    with pytest.raises(InvalidInput, match="EUGUESS_GOOGLE_SIGNING_SECRET") as caught:
        signature("secret-canary", "/")
    assert "canary" not in str(caught.value)
