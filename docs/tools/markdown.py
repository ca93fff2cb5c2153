"""Markdown of the generated reference pages."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Generated from the code by `make docs-reference`; do not edit. -->"


def page(title: str, introduction: str, *sections: str) -> str:
    """Join the parts of a page, marked as generated."""
    return "\n\n".join((f"# {title}", GENERATED, introduction, *sections)) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table; escape line breaks and bars inside cells."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def code(text: object) -> str:
    """Format a text as code; an empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")
