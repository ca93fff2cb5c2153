"""Photos are imported from the dataset page by the checks of `euguess dataset import`."""

import io
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from dashboard.sources.manifests import read_contents, read_names
from dashboard.views.dataset import unpack as unpacking
from dashboard.views.dataset.unpack import unpack
from euguess.access.policy import AccessPolicy
from euguess.errors import InvalidInput
from tests.support.country_photos import country_photo
from tests.support.dashboard_services import FakeServices
from tests.unit.dashboard.conftest import Draw

FOLDERS = {
    "photos/France/a.jpg": country_photo("FR", "a", 0),
    "photos/pl/b.jpg": country_photo("PL", "b", 0),
    "photos/notes.txt": b"no photo",
}


@dataclass
class File:
    name: str
    data: bytes

    def getvalue(self) -> bytes:
        return self.data


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def imported(draw: Draw, made: FakeServices, *files: tuple[str, bytes]) -> AppTest:
    page = draw("dataset", made.connections())
    page.text_input(key="upload-name-0").set_value("mine")
    page.file_uploader(key="upload-files-0").set_value([(*file, "") for file in files])
    page.run(timeout=30)
    return page.button(key="upload-0").click().run(timeout=60)


def test_a_zip_file_of_country_folders_becomes_a_dataset(draw: Draw) -> None:
    made = FakeServices()
    page = imported(draw, made, ("mine.zip", zipped(FOLDERS)))
    assert not page.exception
    assert page.success[0].value == "Imported mine: 2 photos."
    assert list(page.dataframe[0].value["file"]) == ["photos/notes.txt"]
    store = made.connections().store
    assert read_names(store) == ["mine"]
    assert set(read_contents(store, "mine").locations["country_code"]) == {"FR", "PL"}


def test_a_manifest_is_sent_together_with_its_photos(draw: Draw) -> None:
    made = FakeServices()
    rows = b"file,country_code,location_id\na.jpg,FR,one\nb.jpg,FR,one\n"
    photos = [(f"{name}.jpg", country_photo("FR", name, 0)) for name in "ab"]
    page = imported(draw, made, ("rows.csv", rows), *photos)
    assert page.success[0].value == "Imported mine: 2 photos."
    assert len(read_contents(made.connections().store, "mine").locations) == 1


def test_a_damaged_photo_refuses_the_import_until_it_may_be_left_out(draw: Draw) -> None:
    made = FakeServices()
    damaged = zipped(FOLDERS | {"photos/France/c.jpg": b"no photo"})
    page = imported(draw, made, ("mine.zip", damaged))
    assert "1 invalid photo, nothing was imported" in page.error[0].value
    assert read_names(made.connections().store) == []
    page.checkbox(key="upload-skip-0").check()
    page = page.button(key="upload-0").click().run(timeout=60)
    assert page.success[0].value == "Imported mine: 2 photos."


def test_photos_without_a_country_are_refused_with_what_is_expected(draw: Draw) -> None:
    page = imported(draw, FakeServices(), ("a.jpg", country_photo("FR", "a", 0)))
    assert "No photo has a country" in page.error[0].value
    assert r"a\.jpg\: no folder names its country" in page.error[0].value


def test_elsewhere_than_on_loopback_an_import_needs_the_token(draw: Draw) -> None:
    policy = AccessPolicy(token=SecretStr("0123456789abcdef"))
    page = draw("dataset", replace(FakeServices().connections(), policy=policy))
    assert not page.file_uploader
    assert [button.label for button in page.button] == ["Unlock"]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "FR/../../a.jpg", "..\\a.jpg"])
def test_no_file_is_written_outside_the_upload(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "upload"
    folder.mkdir()
    with pytest.raises(InvalidInput, match="outside the upload"):
        unpack([File("x.zip", zipped({name: b"x"}))], folder)
    assert list(tmp_path.rglob("*.jpg")) == []


def test_a_failure_to_write_is_not_blamed_on_the_zip_file(tmp_path: Path) -> None:
    conflicting = zipped({"FR": b"a file", "FR/a.jpg": b"below it"})
    with pytest.raises(InvalidInput, match=r"x\.zip cannot be unpacked on the server: File exists"):
        unpack([File("x.zip", conflicting)], tmp_path)


def test_links_in_a_zip_file_are_left_out(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("FR/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpack([File("x.zip", buffer.getvalue())], tmp_path) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_an_upload_unpacks_to_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput, match="at most"):
        unpack([File("x.zip", zipped({"FR/a.jpg": b"0" * 1001}))], tmp_path)
    monkeypatch.setattr(unpacking, "MAX_FILES", 1)
    with pytest.raises(InvalidInput, match="at most"):
        unpack([File("x.zip", zipped({"FR/b.jpg": b"", "FR/c.jpg": b""}))], tmp_path)


def test_a_file_that_is_no_zip_file_and_two_manifests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a zip file"):
        unpack([File("x.zip", b"no zip")], tmp_path)
    with pytest.raises(InvalidInput, match=r"several manifests: a.csv, b.csv"):
        unpack([File("a.csv", b""), File("b.csv", b"")], tmp_path)
