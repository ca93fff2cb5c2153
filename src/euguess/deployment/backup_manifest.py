"""The manifest of a backup: its volumes, with counts and digests."""

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from euguess.errors import EUGuessError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PARTIAL = ".partial"  # suffix of a backup that is being written

VolumeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class BackupInvalid(EUGuessError):
    """This backup cannot be restored."""


class VolumeRecord(BaseModel):
    """Counts and digest of the archive of one volume."""

    model_config = ConfigDict(frozen=True)

    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: Sha256
    left_out: tuple[str, ...] = ()


class BackupManifest(BaseModel):
    """The manifest, written last."""

    model_config = ConfigDict(frozen=True)

    format_version: int
    created_at: AwareDatetime
    volumes: dict[VolumeName, VolumeRecord] = Field(min_length=1)


class FormatOnly(BaseModel):
    """The part of a manifest that every version has."""

    format_version: int


def read_manifest(source: Path) -> BackupManifest:
    """Read the manifest of a backup. Raises BackupInvalid."""
    if source.name.endswith(PARTIAL):
        raise BackupInvalid("This backup was never completed. Take another.")
    try:
        text = (source / MANIFEST).read_bytes()
        version = FormatOnly.model_validate_json(text).format_version
        if version != FORMAT_VERSION:
            raise BackupInvalid(
                f"The backup has format {version}, but this version of EUGuess reads "
                f"{FORMAT_VERSION}. Restore it with the version that wrote it."
            )
        return BackupManifest.model_validate_json(text)
    except FileNotFoundError as error:
        raise BackupInvalid(
            f"There is no {MANIFEST} in that folder; give the folder of one backup, such as "
            "backups/20260131T235959Z."
        ) from error
    except (ValidationError, OSError) as error:
        raise BackupInvalid(f"{MANIFEST} cannot be read; take another backup.") from error
