"""Tar archives of volumes, with numeric owners, and the checks before one is unpacked."""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from euguess.errors import EUGuessError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BLOCK = 512  # bytes of a tar block; a header takes one, and contents are padded to full blocks
CHUNK_BYTES = 2**20
STAGED = ".euguess-restoring"  # unpacked by a restore, not yet moved into place
REPLACED = ".euguess-replaced"  # moved aside by a restore, not yet deleted
NOT_CONTENT = {STAGED, REPLACED, "lost+found"}

Advance = Callable[[int], None]


class UnsafeArchive(EUGuessError):
    """The archive contains an entry that no backup of EUGuess contains."""


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """Counts and digest of an archive."""

    files: int
    content_bytes: int
    sha256: str
    left_out: tuple[str, ...] = ()


class HashingFile(io.BufferedIOBase):
    """A binary file that computes the SHA-256 of all bytes read or written."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        super().__init__()
        self._file = file
        self._advance = advance
        self._digest = hashlib.sha256()

    def write(self, data: "ReadableBuffer") -> int:
        self._pass(bytes(data))
        return self._file.write(data)

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self._pass(data)
        return data

    def sha256(self) -> str:
        """Return the digest of the bytes so far."""
        return self._digest.hexdigest()

    def _pass(self, data: bytes) -> None:
        self._digest.update(data)
        self._advance(len(data))


class StreamedTar(tarfile.TarFile):
    """A tar stream. Its list of members is cleared as they pass, to save memory."""

    members: list[tarfile.TarInfo]


def archive_bytes(volume: Path) -> int:
    """Estimate the size of an archive. Very long names take a little more."""
    states = [path.lstat() for path in _paths(volume)]
    contents = sum(-(-state.st_size // BLOCK) for state in states if stat.S_ISREG(state.st_mode))
    return (contents + len(states)) * BLOCK


def write_archive(volume: Path, path: Path, advance: Advance) -> ArchiveSummary:
    """Write a new archive and sync it to disk.

    Sockets, pipes, devices and links that lead out of the volume are left out and listed.
    """
    files = content_bytes = 0
    left_out = []
    with path.open("xb") as file:
        digested = HashingFile(file, advance)
        with StreamedTar.open(mode="w|", fileobj=digested, format=tarfile.PAX_FORMAT) as archive:
            for source in _paths(volume):
                member = _member(archive, volume, source)
                if member is None or unsafe_reason(member):
                    left_out.append(source.relative_to(volume).as_posix())
                    continue
                _add(archive, member, source)
                files += not member.isdir()
                content_bytes += member.size
        file.flush()
        os.fsync(file.fileno())
    return ArchiveSummary(files, content_bytes, digested.sha256(), tuple(left_out))


def check_archive(path: Path, advance: Advance) -> ArchiveSummary:
    """Read an archive to its end without unpacking it. Raises UnsafeArchive or TarError."""
    files = content_bytes = 0
    links: set[PurePosixPath] = set()
    with path.open("rb") as file:
        digested = HashingFile(file, advance)
        with StreamedTar.open(mode="r|", fileobj=digested) as archive:
            for member in _members(archive):
                reason = unsafe_reason(member, links)
                if reason:
                    raise UnsafeArchive(f"{path.name} holds {member.name!r}, {reason}.")
                files += not member.isdir()
                content_bytes += member.size
        while digested.read(CHUNK_BYTES):
            pass
    return ArchiveSummary(files, content_bytes, digested.sha256())


def extract_archive(path: Path, folder: Path, advance: Advance) -> None:
    """Unpack a checked archive into an empty folder, with owners (as root) and modes."""
    folders: list[tarfile.TarInfo] = []
    with path.open("rb") as file:
        digested = HashingFile(file, advance)
        with StreamedTar.open(mode="r|", fileobj=digested, errorlevel=2) as archive:
            # The members were checked; a newer Python's own filter would drop the owners.
            archive.extraction_filter = lambda member, _path: member
            for member in _members(archive):
                archive.extract(member, folder, set_attrs=not member.isdir(), numeric_owner=True)
                folders += [member] if member.isdir() else []
    for member in reversed(folders):
        _set_attributes(folder / member.name, member)


def remove(folder: Path) -> None:
    """Delete a folder and its contents; harmless if it is absent."""
    if folder.exists():
        shutil.rmtree(folder)


def unsafe_reason(member: tarfile.TarInfo, links: set[PurePosixPath] | None = None) -> str | None:
    """Return why a member must not be unpacked, or None if it is safe.

    `links` holds the symbolic links so far. No member may be written or linked through them.
    """
    links = set() if links is None else links
    path = PurePosixPath(member.name)
    if _leads_out(path) or _passes(path, links):
        return "a path that leads out of the volume"
    if member.issym():
        links.add(path)
        target = PurePosixPath(os.path.normpath(path.parent / member.linkname))
        return "a link that leads out of the volume" if _leads_out(target) else None
    if member.islnk():
        target = PurePosixPath(member.linkname)
        is_out = _leads_out(target) or _passes(target, links)
        return "a link that leads out of the volume" if is_out else None
    return None if member.isfile() or member.isdir() else "a device, a pipe or the like"


def _leads_out(path: PurePosixPath) -> bool:
    return path.is_absolute() or ".." in path.parts


def _passes(path: PurePosixPath, links: set[PurePosixPath]) -> bool:
    return bool(links) and not links.isdisjoint({path, *path.parents})


def _paths(volume: Path) -> Iterator[Path]:
    """Yield the volume and everything in it, each folder before its contents."""
    for folder, folders, files in os.walk(volume, onerror=_raise):
        here = Path(folder)
        if here == volume:
            folders[:] = [name for name in folders if name not in NOT_CONTENT]
        folders.sort()
        yield here
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in sorted([*files, *links]))


def _raise(error: OSError) -> NoReturn:
    raise error


def _member(archive: StreamedTar, volume: Path, source: Path) -> tarfile.TarInfo | None:
    """Return None for a socket, which tar does not support."""
    member = archive.gettarinfo(source, source.relative_to(volume).as_posix())
    if member is None:
        return None
    member.uname = member.gname = ""  # only the numbers matter: names may differ between images
    member.mtime = int(member.mtime)  # a fraction would cost a kilobyte for each file
    return member


def _add(archive: StreamedTar, member: tarfile.TarInfo, source: Path) -> None:
    if member.isreg():
        with source.open("rb") as file:
            archive.addfile(member, file)
    else:
        archive.addfile(member)
    archive.members.clear()


def _members(archive: StreamedTar) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        yield member
        archive.members.clear()


def _set_attributes(path: Path, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.chown(path, member.uid, member.gid)
    path.chmod(member.mode)
    os.utime(path, (member.mtime, member.mtime))
