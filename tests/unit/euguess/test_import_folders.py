"""Import of a folder of photos: which country, and what is left out."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from euguess.cli.imports import import_dataset
from euguess.errors import InvalidManifest
from euguess.geography.country_names import country_named
from euguess.imports.labelled import Labelled, read_labelled
from euguess.settings import HomeSettings
from tests.support.phone_photos import phone_photo

PARIS, ROME, NORTH_SEA, MOSCOW = (48.86, 2.35), (41.89, 12.49), (56.0, 3.0), (55.75, 37.6)


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def read(root: Path) -> Labelled:
    return read_labelled(root, lambda done, of: None)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "FR",
            "fr",
            "FRA",
            "fra",
            "France",
            "FRANCE",
            "Frankreich",
            "01_france",
            "train/FR",
            "test/fr",
        ),
        *("val/FRA/Paris", "photos/2024/France/Paris/old town", "FR/no", "FR/me/1"),
    ],
)
def test_a_folder_in_any_usual_form_names_the_country(tmp_path: Path, name: str) -> None:
    found = read(folder(tmp_path, {f"{name}/1.jpg": phone_photo(1)}))
    assert [photo.country_code for photo in found.photos] == ["FR"]
    assert not found.left_out


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Holland", "NL"),
        ("The Netherlands", "NL"),
        ("Österreich", "AT"),
        ("UK", "GB"),
        ("czech-republic", "CZ"),
        ("Türkiye", "TR"),
        ("bosnia_and_herzegovina", "BA"),
        ("Georgia", None),
        ("AUS", None),
        ("Frnace", None),
        ("train", None),
    ],
)
def test_a_name_means_a_country_only_if_it_means_one(name: str, code: str | None) -> None:
    assert country_named(name) == code


def test_photos_without_a_folder_are_labelled_by_their_position(tmp_path: Path) -> None:
    files = {"a.jpg": phone_photo(1, at=PARIS), "trip/b.jpg": phone_photo(2, at=ROME)}
    found = read(folder(tmp_path, files))
    assert {p.where: (p.country_code, p.labelled_by) for p in found.photos} == {
        "a.jpg": ("FR", "GPS position"),
        "trip/b.jpg": ("IT", "GPS position"),
    }


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("Frnace/1.jpg", phone_photo(1), "no folder names its country, and it has no GPS position"),
        ("1.jpg", phone_photo(1, at=(0.0, 0.0)), "no GPS position"),
        ("1.jpg", phone_photo(1, at=NORTH_SEA), "at sea or outside Europe"),
        ("1.jpg", phone_photo(1, at=MOSCOW), "in RU, which is none"),
        ("FR/ES/1.jpg", phone_photo(1), "its folders name more than one country"),
        ("FR/notes.txt", b"text", "not a photo: .txt"),
        ("FR/film.mov", b"film", "not a photo: .mov"),
        ("FR/.DS_Store", b"", "hidden file"),
        ("FR/copy.jpg", phone_photo(0), "the same photo as another file"),
    ],
)
def test_what_a_folder_import_leaves_out_has_a_reason(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    found = read(folder(tmp_path, {"FR/a.jpg": phone_photo(0), name: data}))
    assert [photo.where for photo in found.photos] == ["FR/a.jpg"]
    assert [one.file for one in found.left_out] == [name]
    assert reason in found.left_out[0].reason
    assert not found.problems


def test_links_to_folders_are_listed(tmp_path: Path) -> None:
    root = folder(tmp_path, {"FR/1.jpg": phone_photo(1), "kept/2.jpg": phone_photo(2)})
    (root / "DE").symlink_to(root / "kept")
    (listed,) = (one for one in read(root).left_out if one.file == "DE")
    assert listed.reason == "link to a folder, which is not followed"


async def test_guesses_and_what_was_left_out_are_printed_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "Holland/1.jpg": phone_photo(1),
        "2.jpg": phone_photo(2, at=PARIS),
        "3.jpg": phone_photo(3),
        "notes.txt": b"",
    }
    root = folder(tmp_path / "photos", files)
    await import_dataset("mine", root, skip_bad=False, as_json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 photos stored, 2 files left out" in printed
    assert "GPS position: 1; folder 'Holland' is NL: 1" in printed
    assert "known by their position: 1; unknown: 1" in printed
    assert "places unknown: may leak" in printed
    with (HomeSettings().home / "imports" / "mine" / "left-out.csv").open() as file:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert listed == {
        "3.jpg": "no folder names its country, and it has no GPS position",
        "notes.txt": "not a photo: .txt",
    }


async def test_the_full_list_is_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"FR/1.jpg": phone_photo(1), "FR/2.jpg": phone_photo(2)[:500], "x.gif": b"GIF"}
    await import_dataset("mine", folder(tmp_path, files), skip_bad=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["stored"] == 1
    assert told["import"]["places"] == {"unknown": 1}
    left_out = {one["file"]: one["reason"] for one in told["import"]["left_out"]}
    assert left_out == {"x.gif": "not a photo: .gif", "FR/2.jpg": "invalid"}


async def test_a_photo_in_another_country_than_its_folder_is_kept_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strasbourg = (48.573, 7.79)  # less than 2 km from the border
    files = {
        "FR/1.jpg": phone_photo(1, at=ROME),
        "FR/2.jpg": phone_photo(2, at=PARIS),
        "DE/3.jpg": phone_photo(3, at=strasbourg),
    }
    await import_dataset("mine", folder(tmp_path, files), skip_bad=False, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["import"]["photos"] == 3
    (doubtful,) = told["import"]["doubtful"]
    assert doubtful["file"] == "FR/1.jpg"
    assert doubtful["reason"] == "its GPS position is in IT, its folder says FR"


async def test_a_folder_without_any_photo_names_the_list_of_reasons(tmp_path: Path) -> None:
    root = folder(tmp_path, {"1.jpg": phone_photo(1)})
    with pytest.raises(InvalidManifest, match=r"no valid photos.*left-out\.csv"):
        await import_dataset("mine", root, skip_bad=False, as_json=False)
