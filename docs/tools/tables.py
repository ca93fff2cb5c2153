"""Check Markdown tables. A row that is separated from its header would be shown as plain text."""

import re
from collections.abc import Iterator
from itertools import groupby

FENCE = re.compile(r"^\s*(```|~~~)")
DELIMITER = re.compile(r"^\|(\s*:?-+:?\s*\|)+$")
CELL_END = re.compile(r"(?<!\\)\|")

Line = tuple[int, str]


def broken_tables(text: str) -> list[str]:
    """Return a message per broken table, with its line number; an empty list if none is broken."""
    blocks = groupby(_outside_fences(text), key=lambda line: line[1].startswith("|"))
    return [fault for is_table, lines in blocks if is_table for fault in _faults(list(lines))]


def _outside_fences(text: str) -> Iterator[Line]:
    is_inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line):
            is_inside = not is_inside
            yield number, ""
        else:
            yield number, "" if is_inside else line.strip()


def _faults(rows: list[Line]) -> Iterator[str]:
    first, header = rows[0]
    if len(rows) < 2 or not DELIMITER.match(rows[1][1]):
        yield f"line {first}: a table row without a header; is the table split by a paragraph?"
        return
    width = _cells(header)
    for number, row in rows[1:]:
        if _cells(row) != width:
            yield f"line {number}: {_cells(row)} cells, but the header has {width}"


def _cells(row: str) -> int:
    return len(CELL_END.findall(row)) - 1
