import pytest

from services.simulator.api.access import is_signed, sign

DOCUMENTED_SECRET = "vNIXE0xscrmjlyV-12Nj_BvUPaw="
STREET_VIEW = "/maps/api/streetview?location=40.714728,-73.998672&size=640x640&key=TEST_KEY"
METADATA = (
    "/maps/api/streetview/metadata?location=48.208200%2C16.373800&radius=1000"
    "&source=outdoor&key=TEST_KEY"
)
VECTORS = [  # the first two are published by the provider and its Python client
    ("a2V5", "The quick brown fox jumps over the lazy dog", "3nybhbi3iqa8ino29wqQcBydtNk="),
    (
        DOCUMENTED_SECRET,
        "/maps/api/geocode/json?address=New+York&client=clientID",
        "chaRF2hTJKOScPr-RQCEhZbSzIE=",
    ),
    (DOCUMENTED_SECRET, STREET_VIEW, "P-BKw24gQ-9-UP_FjeZlMok2W5U="),
    (DOCUMENTED_SECRET, STREET_VIEW.replace(",", "%2C"), "boNgxl39m6bZDkLml43j6pM4_iA="),
    (DOCUMENTED_SECRET, METADATA, "TMlhJoQd92bvDTcjBE16md7o3cQ="),
]


@pytest.mark.parametrize(("secret", "target", "signature"), VECTORS)
def test_signatures_match_the_published_vectors(secret: str, target: str, signature: str) -> None:
    assert sign(secret, target) == signature
    assert is_signed(secret, f"{target}&signature={signature}")


@pytest.mark.parametrize(
    "target",
    [
        STREET_VIEW,
        f"{STREET_VIEW}&signature=",
        f"{STREET_VIEW}&signature={DOCUMENTED_SECRET}",
        f"{STREET_VIEW.replace(',', '%2C')}&signature=P-BKw24gQ-9-UP_FjeZlMok2W5U=",
        f"{STREET_VIEW}&signature=P-BKw24gQ-9-UP_FjeZlMok2W5U=&extra=1",
    ],
)
def test_a_missing_or_wrong_signature_and_a_reencoded_target_are_denied(target: str) -> None:
    assert not is_signed(DOCUMENTED_SECRET, target)


def test_the_padding_of_a_signature_may_be_percent_encoded() -> None:
    assert is_signed(DOCUMENTED_SECRET, f"{STREET_VIEW}&signature=P-BKw24gQ-9-UP_FjeZlMok2W5U%3D")
