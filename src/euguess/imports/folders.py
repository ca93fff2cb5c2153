"""Photos in folders whose names tell the country, such as France/, fr/ or train/FRA/paris/."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from euguess.geography.country_names import country_named, is_plain_word
from euguess.imports.photos import NotImported

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp"),
    *(".heic", ".heif", ".hif"),
)
NAMED_BY_CODE = "folder named by the country's code"


@dataclass(frozen=True, slots=True)
class FolderLabel:
    """The country that a folder is named by."""

    country_code: str
    rule: str


def files_below(root: Path) -> Iterator[Path]:
    """Yield all files below a folder, sorted, and links to folders, which are not followed."""
    yield from sorted(path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())


def check_suffix(path: Path) -> None:
    """Raise NotImported for a file that is no photo by its name."""
    if path.is_dir():
        raise NotImported("link to a folder, which is not followed")
    if path.name.startswith("."):
        raise NotImported("hidden file")
    if path.suffix.lower() not in SUFFIXES:
        raise NotImported(f"not a photo: {path.suffix.lower() or 'no suffix'}")


def label_of(folders: Iterable[str]) -> FolderLabel | None:
    """Return the country that the folders above a photo name, outermost first; None if none does.

    train, val and test, dates and towns name none. Raises NotImported if two countries are named;
    two small letters such as no or me count only if nothing else names a country.
    """
    named = {folder: code for folder in folders if (code := country_named(folder)) is not None}
    clear = {folder: code for folder, code in named.items() if not is_plain_word(folder)}
    chosen = clear or named
    codes = sorted(set(chosen.values()))
    if len(codes) > 1:
        folders_found = " and ".join(f"{folder!r}" for folder in chosen)
        raise NotImported("its folders name more than one country", folders_found)
    if not codes:
        return None
    (folder, *_) = chosen
    is_code = folder.upper() == codes[0]
    return FolderLabel(codes[0], NAMED_BY_CODE if is_code else f"folder {folder!r} is {codes[0]}")
