"""The store that the stack sets up."""

import pytest

from euguess.deployment.bucket import OWN_ENDPOINT, is_bundled
from euguess.settings import StoreSettings


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [(OWN_ENDPOINT, True), ("https://s3.example.org", False), ("", False)],
)
def test_the_stack_administers_its_own_minio_only(endpoint: str, *, expected: bool) -> None:
    assert is_bundled(StoreSettings(s3_endpoint=endpoint)) is expected
