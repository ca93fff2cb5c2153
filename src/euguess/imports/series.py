"""Photos that belong together by the names of their files."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from euguess.geography.country_names import country_named
from euguess.messages.records import MAX_VIEWS

Pairs = Iterator[tuple[int, int]]

# A camera counts its photos up: IMG_0001, DSC00012, PXL_0003, P1010001, GOPR0001, DJI_0001.
_CAMERA = re.compile(
    r"(?P<base>img_e?|img|_?dsc[nf]?_?|pxl_|mvimg_|gopr|dji_|p|pict|sam_|cimg|imgp|sdc)"
    r"(?P<number>\d{3,8})",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?P<base>.*[^\W\d_].*?)[ _.-]*\(?(?P<number>\d{1,3})\)?")
_GENERIC = ("image", "photo", "picture", "pic", "foto", "bild", "frame", "file", "view", "img")
# 20240501_101112, IMG_20240501_101112, 2024-05-01 10.11.12
_TIME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)[ _T-](\d\d)[.:-]?(\d\d)[.:-]?(\d\d)")


def time_in_name(name: str) -> datetime | None:
    """Return the time of capture that many phones write into the names of their photos."""
    found = _TIME.search(name)
    try:
        return datetime(*map(int, found.groups())) if found else None  # type: ignore[arg-type] # noqa: DTZ001 - of the camera's own clock
    except ValueError:
        return None


def named_alike(paths: Sequence[Path]) -> Pairs:
    """Yield pairs such as market-1.jpg and market-2.jpg, or IMG_0007.jpg and IMG_0008.jpg.

    Only up to eight photos are one place: a longer series is a walk, or a numbered collection.
    """
    yield from _of_one_name(paths)
    for run in camera_runs(paths):
        if len(run) <= MAX_VIEWS:
            yield from pairwise(run)


def camera_runs(paths: Sequence[Path]) -> Iterator[list[int]]:
    """Yield the photos that a camera took in a row, without gaps in its numbers."""
    counted = _numbered(paths, _CAMERA)
    for members in counted.values():
        run: list[int] = []
        last = -1
        for number, index in sorted(members):
            if run and number != last + 1:
                yield run
                run = []
            run.append(index)
            last = number
        yield run


def _of_one_name(paths: Sequence[Path]) -> Pairs:
    names: dict[Path, list[list[int]]] = defaultdict(list)
    for (folder, base), members in _numbered(paths, _NAMED).items():
        if not _says_nothing(base, folder):
            names[folder].append([index for _, index in sorted(members)])
    for series in names.values():
        if len(series) == 1:  # all photos of the folder: a name for the collection
            continue
        for group in series:
            if len(group) <= MAX_VIEWS:
                yield from pairwise(group)


def _numbered(
    paths: Sequence[Path], pattern: re.Pattern[str]
) -> dict[tuple[Path, str], list[tuple[int, int]]]:
    """Return number and index of each photo by its folder and the name before the number."""
    found: dict[tuple[Path, str], list[tuple[int, int]]] = defaultdict(list)
    for index, path in enumerate(paths):
        match = pattern.fullmatch(path.stem)
        if match is not None:
            found[path.parent, match["base"].casefold()].append((int(match["number"]), index))
    return found


def _says_nothing(base: str, folder: Path) -> bool:
    is_camera = _CAMERA.fullmatch(f"{base}000") is not None
    is_label = country_named(base) is not None or base == folder.name.casefold()
    return base in _GENERIC or is_camera or is_label
