"""The line that says which tests were skipped."""

import pytest

from tests.support.requirements import Requirement, reason, skipped_line


def _reported(requirement: Requirement) -> str:
    return f"Skipped: {reason(requirement, 'it is not on PATH')}"


def test_skipped_tests_are_counted_by_requirement_with_the_command_that_installs_it() -> None:
    reasons = [_reported(Requirement.CHROMIUM)] * 2 + [_reported(Requirement.MINIO)]
    assert skipped_line(reasons) == (
        "Skipped tests that need Chromium (2), MinIO (1). "
        "To install Chromium and MinIO: make test-deps"
    )


def test_what_no_command_installs_is_only_counted() -> None:
    line = skipped_line([_reported(Requirement.PHOTOS)])
    assert line == "Skipped tests that need the photo collection (1)."


@pytest.mark.parametrize("reasons", [[], ["Skipped: only Docker Compose v2 prints JSON"]])
def test_other_reasons_give_no_line(reasons: list[str]) -> None:
    assert skipped_line(reasons) is None
