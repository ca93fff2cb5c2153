"""Files, modules and options that the documentation names exist."""

import importlib.util
import re
from pathlib import Path

import pytest

from euguess.messages.queues import TaskName

ROOT = Path(__file__).parents[3]
HISTORY = "CHANGELOG.md"  # names things that are gone
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md", ".github/**/*.yml")
    for path in ROOT.glob(pattern)
    if path.name != HISTORY
)
FOLDERS = r"(?:services|src|tests|dashboard|deploy|docs|experiments|requirements|\.github|\.ci)"
PATH = re.compile(rf"(?<![\w/.-])({FOLDERS}/[\w./*-]*[\w*])")
MODULE = re.compile(
    r"(?<![\w/.-])((?:euguess|services|dashboard|docs\.tools)(?:\.[a-z_]+)+)\b(?![(/-])"
)
MAKE = re.compile(r"(?:^|`|&& |\s{4})make((?: [a-z0-9-]+)+)", re.M)
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
EUGUESS = re.compile(r"(?:\.venv/bin/)?euguess ((?:dataset |models )?[a-z]+)([^\n`]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z-]+")
NO_MODULES = {*TaskName, "euguess.alive", "euguess.owner", "euguess.stop"}  # tasks; tags of runs
COMMANDS = (ROOT / "docs" / "reference" / "cli.md").read_text()

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pages
def test_every_path_of_a_page_exists(page: Path) -> None:
    named = set(PATH.findall(page.read_text()))
    assert [path for path in sorted(named) if not any(ROOT.glob(path))] == []


@pages
def test_every_module_of_a_page_exists(page: Path) -> None:
    named = set(MODULE.findall(page.read_text())) - NO_MODULES
    assert [name for name in sorted(named) if not is_module(name)] == []


@pages
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    named = {target for targets in MAKE.findall(page.read_text()) for target in targets.split()}
    assert named - TARGETS == set()


@pages
def test_every_option_of_a_page_exists(page: Path) -> None:
    wrong = [
        f"euguess {command} {option}"
        for command, rest in EUGUESS.findall(page.read_text())
        if (section := section_of(command))
        for option in OPTION.findall(rest)
        if f"`{option}" not in section and f" / `{option}" not in section
    ]
    assert wrong == []


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def section_of(command: str) -> str:
    """The reference of a command; empty where the words after `euguess` are no command."""
    heading = re.search(rf"^#+ `euguess {command}`$(.*?)(?=^#+ |\Z)", COMMANDS, re.M | re.S)
    return heading[1] if heading else ""
