"""Requirements of tests besides Python packages, and a summary of tests skipped without them."""

import os
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NoReturn

import pytest

INSTALL_COMMAND = "make test-deps"
_PREFIX = "needs "


class Requirement(StrEnum):
    """A requirement besides Python packages; tests that need it are skipped without it."""

    CHROMIUM = "Chromium"
    MINIO = "MinIO"
    DOCKER = "Docker"
    PHOTOS = "the photo collection"
    ROOT = "root"


_INSTALLABLE = (Requirement.CHROMIUM, Requirement.MINIO)


def reason(requirement: Requirement, detail: str) -> str:
    """Return a skip reason that `skipped_line` can count."""
    return f"{_PREFIX}{requirement}: {detail}"


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason=reason(Requirement.ROOT, "only root can change file owners")
)


def skip_without(requirement: Requirement, detail: str) -> NoReturn:
    """Skip the running test because a requirement is missing."""
    pytest.skip(reason(requirement, detail))


def skipped_line(reasons: Iterable[str]) -> str | None:
    """Count skipped tests by requirement and name the command that installs what is missing.

    reasons: skip reasons as pytest reports them. Returns None if no test lacked a requirement.
    """
    missing = Counter(found for text in reasons if (found := _requirement(text)) is not None)
    if not missing:
        return None
    counts = ", ".join(f"{requirement} ({count})" for requirement, count in missing.items())
    line = f"Skipped tests that need {counts}."
    installable = [requirement for requirement in _INSTALLABLE if requirement in missing]
    if installable:
        line += f" To install {' and '.join(installable)}: {INSTALL_COMMAND}"
    return line


def _requirement(text: str) -> Requirement | None:
    named = text.removeprefix("Skipped: ").removeprefix(_PREFIX).partition(":")[0]
    return next((one for one in Requirement if one == named and _PREFIX in text), None)
