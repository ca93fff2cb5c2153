"""Write uploaded files to a folder that can be imported: photos, a manifest, and zip files."""

import io
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from euguess.errors import InvalidInput

MAX_FILES = 5000
MAX_BYTES = 500 * 1024**2  # unpacked; photos hardly shrink in a zip file
CHUNK_BYTES = 1024**2
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
MANIFESTS = (".csv", ".parquet")
TOO_MUCH = (
    f"An upload unpacks to at most {MAX_FILES:,} files and {MAX_BYTES // 1024**2} MB. Import more "
    "with `euguess dataset import NAME FOLDER`."
)


class Upload(Protocol):
    """An uploaded file."""

    name: str

    def getvalue(self) -> bytes: ...


def unpack(uploads: Sequence[Upload], folder: Path) -> Path:
    """Write all files below a folder; return the manifest among them, or the folder.

    Names of files in zip files keep their folders. Raises InvalidInput for a file that is no zip
    file or unpacks to too much, for two files of one name and for several manifests.
    """
    room = MAX_BYTES
    for upload in uploads:
        data = upload.getvalue()
        if upload.name.lower().endswith(".zip"):
            room -= _extract(upload.name, data, folder, room)
        else:
            _new_file(folder, upload.name).write_bytes(data)
            room -= len(data)
    if room < 0:
        raise InvalidInput(TOO_MUCH)
    found = [path for path in folder.rglob("*") if path.suffix.lower() in MANIFESTS]
    if len(found) > 1:
        names = ", ".join(sorted(path.name for path in found))
        raise InvalidInput(f"The upload has several manifests: {names}. Send one at a time.")
    return found[0] if found else folder


def _extract(name: str, data: bytes, folder: Path, room: int) -> int:
    """Extract regular files; return their size. Sizes that a zip file states are not trusted."""
    written = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _is_file(entry)]
            if len(entries) > MAX_FILES:
                raise InvalidInput(TOO_MUCH)
            for entry in entries:
                with (
                    archive.open(entry) as source,
                    _new_file(folder, entry.filename).open("wb") as to,
                ):
                    while chunk := source.read(CHUNK_BYTES):
                        written += len(chunk)
                        if written > room:
                            raise InvalidInput(TOO_MUCH)
                        to.write(chunk)
    except OSError as error:
        raise InvalidInput(f"{name} cannot be unpacked on the server: {error.strerror}.") from None
    except UNREADABLE as error:
        raise InvalidInput(f"{name} is not a zip file that can be read: {error}.") from None
    return written


def _is_file(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the writer has no Unix modes
    return not entry.is_dir() and kind in (0, stat.S_IFREG)


def _new_file(folder: Path, name: str) -> Path:
    """Return a path below the folder that does not exist, with the folders above it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    path = folder.joinpath(*parts)
    if ".." in parts or not path.resolve().is_relative_to(folder.resolve()) or path == folder:
        raise InvalidInput(f"{name} lies outside the upload. Nothing was imported.")
    if path.exists():
        raise InvalidInput(f"The upload has {name} twice. Nothing was imported.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
