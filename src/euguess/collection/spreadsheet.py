"""Text for CSV files that people open in a spreadsheet, and back."""

import re

# A spreadsheet runs cells that begin with these: OWASP, "CSV Injection".
_FORMULA = re.compile(
    r"\s*[=+\-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    r"\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]"
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
QUOTE = "'"


def cell(value: object) -> object:
    """Return a value for a CSV file, with an apostrophe before text that would be a formula."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return QUOTE + value if _FORMULA.match(value.lstrip(QUOTE)) else value


def text_of(cell: str) -> str:
    """Return the text that `cell` was made of."""
    is_quoted = cell.startswith(QUOTE) and _FORMULA.match(cell.lstrip(QUOTE))
    return cell[1:] if is_quoted else cell
