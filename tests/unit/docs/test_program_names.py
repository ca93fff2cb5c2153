"""Texts that users see name commands of `euguess`, never a module of a service."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted(
    path for folder in ("src", "services", "dashboard") for path in (ROOT / folder).rglob("*.py")
)


def _texts(path: Path) -> Iterator[str]:
    """Yield the string literals of a module, without the module's own docstring."""
    tree = ast.parse(path.read_text())
    own = ast.get_docstring(tree, clean=False)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != own:
            yield node.value


@pytest.mark.parametrize("folder", ["src", "services", "dashboard"])
def test_no_text_tells_a_user_to_run_a_service_by_its_module(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text[:60]!r}"
        for path in SOURCES
        if path.is_relative_to(ROOT / folder)
        for text in _texts(path)
        if "python -m services" in text
    ]
    assert found == []
