"""Build the Markdown of reports and cards.

Text from outside (names, reasons, licences) goes through `escaped`, so that none of it becomes
markup; `markdown_table` escapes bars in every cell.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NOT_RECORDED = "not recorded"
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#!~&$])")
_LIST_MARKER = re.compile(r"^(\d*)([-+.])(?=\s|$)")


def escaped(text: object) -> str:
    """Escape text and join it on one line; return `not recorded` if there is none.

    Bars are escaped by markdown_table.
    """
    line = " ".join(str(text).split()) if text is not None else ""
    line = _MARKUP.sub(r"\\\1", line).replace("://", ":\\/\\/")
    return _LIST_MARKER.sub(r"\1\\\2", line) or NOT_RECORDED


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, align: str | None = None
) -> str:
    """Return a table. align: l or r per column; by default the first l, the others r."""
    sides = align or "l" + "r" * (len(header) - 1)
    ruler = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join(_line(cells) for cells in (header, ruler, *rows))


def bullets(lines: Iterable[str]) -> str:
    """Return a bulleted list."""
    return "\n".join(f"- {line}" for line in lines)


def front_matter(values: Mapping[str, Any]) -> str:
    """Return YAML metadata for the top of a card; its values are JSON, which is valid YAML."""
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "\n".join(("---", *lines, "---"))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
