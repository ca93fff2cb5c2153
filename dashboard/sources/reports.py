"""Reports of sweeps and of the reproduced study, which the trainer writes below the home folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = {"sweeps": "Sweep", "papers": "Study on"}  # by folder
TEXT, PAGE, BEST_RECIPE = "report.md", "report.html", "best.toml"
PICTURE = re.compile(r"^!\[.*\]\(([\w-]+\.png)\)$", re.MULTILINE)


@dataclass(frozen=True)
class StoredReport:
    """A report: its title and its folder."""

    title: str
    folder: Path

    def text(self) -> str:
        """Return the report as Markdown."""
        return (self.folder / TEXT).read_text(encoding="utf-8")


def stored_reports(home: Path) -> list[StoredReport]:
    """Return all reports, newest first."""
    found = [path for kind in KINDS for path in (home / kind).glob(f"*/{TEXT}")]
    newest_first = sorted(found, key=lambda path: -path.stat().st_mtime)
    return [StoredReport(_title(path.parent), path.parent) for path in newest_first]


def parts(report: StoredReport) -> Iterator[str | Path]:
    """Yield texts and the paths of the pictures between them. Missing pictures are left out."""
    for index, piece in enumerate(PICTURE.split(report.text())):
        is_picture = index % 2 == 1  # the pattern has one group
        if not is_picture:
            yield piece
        elif (report.folder / piece).is_file():
            yield report.folder / piece


def _title(folder: Path) -> str:
    return f"{KINDS[folder.parent.name]} {folder.name}"
