"""Builds archives for TorchServe: a folder, which is quick to register, or one .mar file."""

import json
import secrets
import shutil
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

import services
from euguess.clock import utc_now
from euguess.errors import InvalidInput
from euguess.images import (
    decoder_process,
    heif_boxes,
    limited_decoder,
    photo_headers,
    photo_limits,
    postprocessing,
    preprocessing,
)
from euguess.messages.serving import ModelCard
from euguess.process.files import staged
from euguess.promotion.versions import REGISTERED_MODEL
from services.inference import classifier, explanation, handler, model_package
from services.inference.model_package import InvalidModel, file_sha256, verify_package

REQUIRED_FILES = ("model.onnx", "model.safetensors")
# No code of a package gets into an archive.
DATA_FILES = (*REQUIRED_FILES, "familiarity.safetensors", "report.json")
SHARED_WITH_TRAINER = (
    "efficientnet_lite.py",
    "familiarity.py",
    "head_network.py",
    "networks.py",
)
SOURCES = {
    "handler.py": handler.__file__,
    "classifier.py": classifier.__file__,
    "decoder_process.py": decoder_process.__file__,
    "explanation.py": explanation.__file__,
    "heif_boxes.py": heif_boxes.__file__,
    "limited_decoder.py": limited_decoder.__file__,
    "model_package.py": model_package.__file__,
    "photo_headers.py": photo_headers.__file__,
    "photo_limits.py": photo_limits.__file__,
    "postprocessing.py": postprocessing.__file__,
    "preprocessing.py": preprocessing.__file__,
    **{name: str(Path(services.__file__).with_name(name)) for name in SHARED_WITH_TRAINER},
}
LIBRARIES = ("numpy", "onnxruntime", "pillow", "torch", "torchserve", "torchvision")
CONTENTS = "archive.json"  # versions of libraries, and digests of all other files


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """Options of a model in TorchServe."""

    workers: int = 1
    batch_size: int = 8
    # Each batch that does not fill waits this long: with 100 ms, one client was 5 times slower.
    max_batch_delay_ms: int = 5
    # A full batch of 64 phone photos (12 Mpx) takes 4 s. In one of five tests TorchServe noticed
    # (and replaced) a killed worker only after this time.
    response_timeout_seconds: int = 30
    # TorchServe stops restarting a failing worker after this time; its default is 300 s.
    retry_seconds: int = 86_400


def read_card(package: Path) -> ModelCard:
    """Verify a model package and read its card. Raises InvalidModel."""
    verify_package(package)
    try:
        card = ModelCard.model_validate_json((package / "model.json").read_text())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidModel(f"model.json is no valid model card: {field}: {first['msg']}.") from None
    for name in REQUIRED_FILES:
        if name not in card.sha256:
            raise InvalidModel(f"model.json does not list the SHA-256 of {name}.")
    return card


def build_archive(
    package: Path, target: Path, options: ArchiveOptions, served_version: str | None = None
) -> Path:
    """Build an archive of a model package at target, atomically.

    A target that ends in .mar becomes one file, any other a folder. served_version is
    TorchServe's name of the version. Raises InvalidModel, or InvalidInput if target exists.
    """
    if target.exists():
        raise InvalidInput(f"{target} exists already. Choose another name.")
    card = read_card(package)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _fill(part, package, card)
        _describe(part, options, served_version or card.version)
        if target.suffix == ".mar":
            _zip(part, target)
        else:
            part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def verify_archive(folder: Path) -> None:
    """Check every file of an archive folder against its list of digests. Raises InvalidModel."""
    try:
        digests: dict[str, str] = json.loads((folder / CONTENTS).read_text())["sha256"]
    except (OSError, ValueError, KeyError):
        raise InvalidModel(f"{folder.name} is not a complete archive.") from None
    for name, expected in digests.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != expected:
            raise InvalidModel(f"{name} of the archive {folder.name} is missing or damaged.")


def is_up_to_date(folder: Path, options: ArchiveOptions) -> bool:
    """Return True if an archive has the current code and options; an upgrade changes them."""
    if (folder / "model-config.yaml").read_text() != _model_config(options):
        return False
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == Path(source).read_bytes()
        for name, source in SOURCES.items()
    )


def _fill(folder: Path, package: Path, card: ModelCard) -> None:
    folder.mkdir()
    data = {name: digest for name, digest in card.sha256.items() if name in DATA_FILES}
    for name in data:
        shutil.copyfile(package / name, folder / name)
    for name, source in SOURCES.items():
        shutil.copyfile(source, folder / name)
    stored = card.model_copy(update={"sha256": data})
    (folder / "model.json").write_text(stored.model_dump_json(indent=2))


def _describe(folder: Path, options: ArchiveOptions, version: str) -> None:
    (folder / "model-config.yaml").write_text(_model_config(options))
    (folder / "MAR-INF").mkdir()
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(_manifest(version), indent=2))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = {
        "served_version": version,
        "versions": _versions(),
        "sha256": {path.relative_to(folder).as_posix(): file_sha256(path) for path in files},
    }
    (folder / CONTENTS).write_text(json.dumps(contents, indent=2))


def _model_config(options: ArchiveOptions) -> str:
    settings = {
        "minWorkers": options.workers,
        "maxWorkers": options.workers,
        "batchSize": options.batch_size,
        "maxBatchDelay": options.max_batch_delay_ms,
        "responseTimeout": options.response_timeout_seconds,
        "maxRetryTimeoutInSec": options.retry_seconds,
    }
    return "".join(f"{name}: {value}\n" for name, value in settings.items())


def _manifest(version: str) -> dict[str, object]:
    return {
        "createdOn": utc_now().strftime("%d/%m/%Y %H:%M:%S"),
        "runtime": "python",
        "model": {
            "modelName": REGISTERED_MODEL,
            "modelVersion": version,
            "handler": "handler.py",
            "configFile": "model-config.yaml",
        },
        "archiverVersion": "0.12.0",
    }


def _versions() -> dict[str, str]:
    """Return the versions of Python and the libraries, for the record."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: metadata.version(name) for name in LIBRARIES}}


def _zip(folder: Path, target: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with staged(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
