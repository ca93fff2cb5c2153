"""Archives, their verification, and the model store that keeps them."""

import json
import zipfile
from pathlib import Path

import pytest

from euguess.errors import InvalidInput
from services.inference.archive import (
    ArchiveOptions,
    build_archive,
    is_up_to_date,
    verify_archive,
)
from services.inference.model_package import InvalidModel, file_sha256, verify_package
from services.inference.model_registry import Champion
from services.inference.model_store import ModelStore

CARRIED = {
    "MAR-INF/MANIFEST.json",
    "archive.json",
    "classifier.py",
    "decoder_process.py",
    "efficientnet_lite.py",
    "explanation.py",
    "familiarity.py",
    "handler.py",
    "head_network.py",
    "limited_decoder.py",
    "model-config.yaml",
    "model_package.py",
    "model.json",
    "model.onnx",
    "model.safetensors",
    "networks.py",
    "heif_boxes.py",
    "photo_headers.py",
    "photo_limits.py",
    "postprocessing.py",
    "preprocessing.py",
}


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_archive_folder_contains_everything_that_a_worker_needs(
    package: Path, tmp_path: Path
) -> None:
    archive = build_archive(package, tmp_path / "a", ArchiveOptions(workers=3), "7-abc")
    assert _files(archive) == CARRIED
    manifest = json.loads((archive / "MAR-INF" / "MANIFEST.json").read_text())
    assert manifest["model"]["modelVersion"] == "7-abc"
    assert (
        "minWorkers: 3\nmaxWorkers: 3\nbatchSize: 8\nmaxBatchDelay: 5\n"
        in (archive / "model-config.yaml").read_text()
    )
    verify_archive(archive)


def test_no_code_of_a_package_gets_into_an_archive(package: Path, tmp_path: Path) -> None:
    for name in ("network.py", "networks.py", "json.py", "handler.py", "torch.so"):
        (package / name).write_text("raise SystemExit")
    card = json.loads((package / "model.json").read_text())
    names = [path.name for path in package.iterdir() if path.name != "model.json"]
    card["sha256"] = {name: file_sha256(package / name) for name in names}
    (package / "model.json").write_text(json.dumps(card))
    archive = build_archive(package, tmp_path / "a", ArchiveOptions())
    assert _files(archive) == CARRIED
    assert not [path for path in archive.rglob("*.py") if path.read_text() == "raise SystemExit"]
    verify_package(archive)


def test_a_mar_file_has_the_same_contents(package: Path, tmp_path: Path) -> None:
    archive = build_archive(package, tmp_path / "a.mar", ArchiveOptions())
    with zipfile.ZipFile(archive) as mar:
        assert set(mar.namelist()) == CARRIED
    assert _files(tmp_path) >= {"a.mar"}


def test_a_damaged_package_leaves_nothing_behind(package: Path, tmp_path: Path) -> None:
    (package / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InvalidModel, match=r"model\.safetensors does not have the SHA-256"):
        build_archive(package, tmp_path / "store" / "a", ArchiveOptions())
    assert not (tmp_path / "store").exists()


def test_an_archive_is_never_overwritten(package: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InvalidInput, match="exists already"):
        build_archive(package, tmp_path / "a", ArchiveOptions())


def test_an_unknown_field_of_a_card_is_rejected_by_name(package: Path, tmp_path: Path) -> None:
    card = json.loads((package / "model.json").read_text())
    (package / "model.json").write_text(json.dumps({**card, "colour": "red"}))
    with pytest.raises(InvalidModel, match="colour"):
        build_archive(package, tmp_path / "a", ArchiveOptions())


@pytest.mark.parametrize("name", sorted(CARRIED))
def test_damage_to_any_file_of_an_archive_is_found(
    package: Path, tmp_path: Path, name: str
) -> None:
    archive = build_archive(package, tmp_path / "a", ArchiveOptions())
    (archive / name).write_bytes(b"damaged")
    with pytest.raises(InvalidModel):
        verify_archive(archive)


def test_an_archive_with_other_options_or_code_is_out_of_date(
    package: Path, tmp_path: Path
) -> None:
    archive = build_archive(package, tmp_path / "a", ArchiveOptions(workers=1))
    assert is_up_to_date(archive, ArchiveOptions(workers=1))
    assert not is_up_to_date(archive, ArchiveOptions(workers=2))
    (archive / "handler.py").write_text("# the handler of last year")
    assert not is_up_to_date(archive, ArchiveOptions(workers=1))


def test_an_archive_without_a_file_of_the_current_code_is_out_of_date(
    package: Path, tmp_path: Path
) -> None:
    archive = build_archive(package, tmp_path / "a", ArchiveOptions())
    (archive / "model_package.py").unlink()
    assert not is_up_to_date(archive, ArchiveOptions())


def _stored(store: ModelStore, package: Path, version: str) -> Champion:
    champion = Champion(version, "0123456789abcdef")
    build_archive(package, store.path(champion), ArchiveOptions(), champion.served_version)
    store.make_current(champion)
    return champion


def test_the_model_store_remembers_what_is_served_and_keeps_one_before_it(
    package: Path, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "store", tmp_path / "served.json")
    champions = [_stored(store, package, version) for version in "123"]
    again = ModelStore(tmp_path / "store", tmp_path / "served.json")
    assert again.current() == champions[-1]
    assert [again.holds(champion) for champion in champions] == [False, True, True]


def test_a_damaged_archive_is_removed_from_the_model_store(package: Path, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store", tmp_path / "served.json")
    champion = _stored(store, package, "1")
    (store.path(champion) / "model.onnx").write_bytes(b"damaged")
    assert not store.holds(champion)
    assert not store.path(champion).exists()


@pytest.mark.parametrize("text", ["", "{", '{"served": [{"version": 1}]}'])
def test_an_unreadable_index_counts_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "served.json").write_text(text)
    assert ModelStore(tmp_path, tmp_path / "served.json").current() is None
