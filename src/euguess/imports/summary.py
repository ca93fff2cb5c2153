"""What an import guessed, joined and left out, for people and for programs."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from euguess.imports.labelled import Labelled
from euguess.messages.collection import PlaceSource
from euguess.messages.records import MAX_VIEWS, Record
from euguess.process.files import write_atomically

LEFT_OUT, DOUBTFUL = "left-out.csv", "doubtful.csv"
INVALID = "invalid"
PLACES = {
    PlaceSource.GIVEN: "given by the manifest",
    PlaceSource.POSITION: "known by their position",
    PlaceSource.GUESS: "guessed by time of capture or file names",
    PlaceSource.UNKNOWN: "unknown",
}
UNKNOWN_PLACES = (
    "Nothing tells whether photos of unknown places show the same place. Reports on this dataset "
    "will say `places unknown: may leak`. To avoid it, list the photos in a CSV file with a "
    "location_id for each place."
)


class ListedFile(Record):
    """A file, and why it was left out or is doubtful."""

    file: str
    reason: str
    detail: str = ""


class ImportSummary(Record):
    """Counts of photos, and of places, by what is known about them."""

    photos: int
    labelled_by: dict[str, int] = Field(description="Photos by the rule that gave their country")
    places: dict[PlaceSource, int] = Field(description="Places by how they are known")
    joined_by: dict[str, int] = Field(description="Places of several photos by what joined these")
    large_places: int = Field(description="Places with more photos than a prediction can use")
    left_out: tuple[ListedFile, ...]
    doubtful: tuple[ListedFile, ...] = Field(
        description="Imported, though something speaks against"
    )


def summarise(found: Labelled) -> ImportSummary:
    """Count what an import found."""
    places = {photo.location_id: photo for photo in found.photos}.values()
    sizes = Counter(photo.location_id for photo in found.photos)
    invalid = (_invalid(problem) for problem in found.problems)
    left_out = (ListedFile(file=o.file, reason=o.reason, detail=o.detail) for o in found.left_out)
    return ImportSummary(
        photos=len(found.photos),
        labelled_by=_counted(photo.labelled_by for photo in found.photos if photo.labelled_by),
        places=Counter(sorted(place.place_known_by for place in places)),
        joined_by=_counted(reason for place in places for reason in place.place_reasons),
        large_places=sum(size > MAX_VIEWS for size in sizes.values()),
        left_out=(*left_out, *invalid),
        doubtful=tuple(ListedFile(file=p.where, reason=p.doubt) for p in found.photos if p.doubt),
    )


def summary_lines(summary: ImportSummary) -> Iterator[str]:
    """Yield sentences for the terminal."""
    if summary.labelled_by:
        yield f"Countries of photos: {_listed(summary.labelled_by)}"
    known = {PLACES[source]: count for source, count in summary.places.items()}
    yield f"Places of {summary.photos:,} photos: {_listed(known)}"
    if summary.joined_by:
        yield f"Places of several photos, joined by: {_listed(summary.joined_by)}"
    if summary.large_places:
        yield (
            f"Places with more than {MAX_VIEWS} photos: {summary.large_places:,}; "
            "a recipe's `views` limits how many of them are used"
        )
    if PlaceSource.UNKNOWN in summary.places:
        yield UNKNOWN_PLACES
    if summary.doubtful:
        yield f"Imported, but doubtful: {_listed(_counted(one.reason for one in summary.doubtful))}"
    if summary.left_out:
        yield f"Left out: {_listed(_counted(one.reason for one in summary.left_out))}"


def write_lists(summary: ImportSummary, folder: Path) -> list[Path]:
    """Write the full lists of files that were left out or are doubtful; return their paths."""
    lists = {folder / LEFT_OUT: summary.left_out, folder / DOUBTFUL: summary.doubtful}
    for path, files in lists.items():
        if files:
            _write(path, files)
        else:
            path.unlink(missing_ok=True)  # of an earlier import
    return [path for path, files in lists.items() if files]


def _write(path: Path, files: Sequence[ListedFile]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("file", "reason", "detail"))
    writer.writerows((one.file, one.reason, one.detail) for one in files)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue().encode("utf-8", "backslashreplace"))


def _invalid(problem: str) -> ListedFile:
    where, _, detail = problem.partition(": ")
    return ListedFile(file=where, reason=INVALID, detail=detail)


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}


def _listed(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{name}: {count:,}" for name, count in counts.items())
