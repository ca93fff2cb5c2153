"""The dataset page's logic, and its charts and maps without a browser."""

import asyncio
import io
import itertools
import json
import zipfile

import pandas as pd
import pytest

from dashboard.charts.dataset import balance_chart, balance_frame, views_chart, years_chart
from dashboard.charts.geography import NEIGHBOUR_DEG, colours, outlines
from dashboard.charts.maps import PLACES, places_map
from dashboard.sources import manifests
from dashboard.sources.manifests import DatasetContents, contents_of
from dashboard.views.dataset.export import expected_bytes, list_file, photos_file
from euguess.collection.export import Kind, Part
from euguess.collection.manifest_format import table_of
from euguess.geography.countries import COUNTRIES
from tests.support.dashboard_services import FakeServices, fill, model_card
from tests.support.generated_dataset import generated_objects, generated_rows
from tests.support.stored_datasets import DatasetBuilder
from tests.unit.dashboard.conftest import Draw

QUOTAS = {"FR": 4, "LU": 2}


@pytest.fixture(scope="module")
def contents() -> DatasetContents:
    return contents_of("demo", table_of(list(generated_rows("demo", QUOTAS))).to_pandas())


def stored() -> FakeServices:
    made = FakeServices(card=model_card("FR", "LU"))
    fill(made, *generated_objects("demo", QUOTAS))
    return made


def test_places_are_counted_once_however_many_views_they_have(contents: DatasetContents) -> None:
    assert len(contents.locations) == 6
    assert set(contents.locations["views"]) == {3}
    assert contents.locations["year"].between(2009, 2023).all()
    assert not contents.is_sample


def test_the_balance_contains_the_quota_and_the_studys_quota(contents: DatasetContents) -> None:
    rows = balance_frame(contents.locations, {"FR": 10, "LU": 2, "DE": 1}).set_index("country")
    assert rows["stored"].to_dict() == {"FR": 4, "LU": 2, "DE": 0}
    assert rows["quota"].to_dict() == {"FR": 10, "LU": 2, "DE": 1}
    assert rows["the study's quota"].to_dict() == {"FR": 860, "LU": 123, "DE": 860}


def test_each_chart_has_axis_titles(contents: DatasetContents) -> None:
    charts = {
        "Country (ISO 3166-1)": balance_chart(contents.locations, QUOTAS),
        "Capture year": years_chart(contents.locations),
        "Views per place": views_chart(contents.locations),
    }
    for title, chart in charts.items():
        text = chart.to_json()
        assert title in text
        assert '"title": "Places"' in text


def test_every_known_country_is_on_the_map_and_neighbours_differ_in_colour() -> None:
    areas, painted = outlines(), colours()
    assert set(areas) == {country.code for country in COUNTRIES}
    for one, other in (("FR", "DE"), ("PL", "CZ"), ("ES", "PT"), ("SE", "NO"), ("AT", "HU")):
        assert areas[one].dwithin(areas[other], NEIGHBOUR_DEG)
        assert painted[one] != painted[other]


def test_no_two_neighbours_share_a_colour_and_poland_differs_from_sweden() -> None:
    areas, painted = outlines(), colours()
    sharing = [
        (one, other)
        for one, other in itertools.combinations(areas, 2)
        if painted[one] == painted[other] and areas[one].dwithin(areas[other], NEIGHBOUR_DEG)
    ]
    assert sharing == []
    assert painted["PL"] != painted["SE"]
    assert len(set(painted.values())) > 7


def test_the_map_draws_each_place_without_a_tile_server(contents: DatasetContents) -> None:
    text = places_map(contents.locations, colours(), "country_code").to_json()
    spec = json.loads(text)
    points = [layer for layer in spec["layers"] if layer["id"] == PLACES]
    groups = [group for layer in points for group in layer["data"]]
    assert [len(group["geometry"]["coordinates"]) for group in groups] == [4, 2]
    assert len({tuple(group["properties"]["fill"]) for group in groups}) == 2
    assert "http" not in text
    assert "mapProvider" not in spec


def test_places_without_coordinates_are_left_off_the_map(contents: DatasetContents) -> None:
    places = contents.locations.assign(lat=None, lon=None)
    layers = json.loads(places_map(places, colours(), "country_code").to_json())["layers"]
    assert [layer["data"] for layer in layers if layer["id"] == PLACES] == [[]]


def test_the_page_summarises_the_manifest(draw: Draw) -> None:
    drawn = draw("dataset", stored().connections())
    assert not drawn.exception
    shown = {m.label: m.value for m in drawn.metric}
    assert shown == {
        "Places": "6",
        "Requested": "6",
        "Countries": "2",
        "Views": "18",
        "Size": "1 MB",
    }


@pytest.mark.parametrize("section", ["Map", "Gallery", "Issues", "Export"])
def test_each_section_is_drawn(draw: Draw, section: str) -> None:
    made = stored()
    drawn = draw("dataset", made.connections())
    drawn.segmented_control(key="section").set_value(section).run(timeout=30)
    assert not drawn.exception
    # The photos of this dataset are not stored, so that only the gallery shows an error.
    assert len(drawn.error) == (section == "Gallery")


def test_the_gallery_shows_the_views_of_a_place_with_its_attribution(draw: Draw) -> None:
    made = FakeServices()
    asyncio.run(DatasetBuilder(made.objects).fill({"FR": 2}))
    drawn = draw("dataset", made.connections())
    drawn.segmented_control(key="section").set_value("Gallery").run(timeout=30)
    assert len(drawn.get("image")) == 6
    assert sum("drawn" in caption.value for caption in drawn.caption) == 2


def test_the_map_by_use_counts_seen_and_held_out_places(draw: Draw) -> None:
    made = stored()
    seen = [row["location_id"] for row in generated_rows("demo", {"FR": 1})]
    made.seen = made.seen.model_copy(update={"location_ids": tuple(seen)})
    drawn = draw("dataset", made.connections())
    drawn.segmented_control(key="section").set_value("Map").run(timeout=30)
    drawn.segmented_control(key="colours").set_value("Seen by the champion").run(timeout=30)
    badges = " ".join(m.value for m in drawn.markdown)
    assert "seen by the champion: 1" in badges
    assert "held out: 5" in badges


def test_without_a_manifest_a_sample_of_records_is_read(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MAX_RECORDS", 3)
    made = FakeServices()
    asyncio.run(DatasetBuilder(made.objects).fill({"FR": 5}))
    drawn = draw("dataset", made.connections())
    assert {m.label: m.value for m in drawn.metric}["Places"] == "5"
    assert "3 of 5 places" in drawn.info[0].value
    assert "euguess dataset export demo" in drawn.info[0].value
    store = made.connections().store
    read = pd.read_csv(io.BytesIO(list_file(store, "demo", Kind.CSV)))
    assert read["location_id"].nunique() == 5  # a download is complete all the same


def test_photos_of_a_part_are_offered_as_a_zip(draw: Draw) -> None:
    made = FakeServices()
    asyncio.run(DatasetBuilder(made.objects).fill({"FR": 3, "PL": 1}))
    drawn = draw("dataset", made.connections())
    drawn.segmented_control(key="section").set_value("Export").run(timeout=30)
    drawn.multiselect(key="export-countries").set_value(["FR"]).run(timeout=30)
    assert not drawn.exception
    assert not drawn.error
    data = photos_file(made.connections().store, "demo", Part(frozenset({"FR"}), 2))
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert [name.split("/")[0] for name in names] == ["manifest.parquet"] + 6 * ["images"]


def test_a_part_too_large_for_a_page_shows_the_command(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, contents: DatasetContents
) -> None:
    monkeypatch.setattr("dashboard.views.dataset.export.MAX_ZIP_BYTES", 3 * 80_000)
    assert expected_bytes(contents, ["LU"], 50) == 2 * 3 * 80_000
    drawn = draw("dataset", stored().connections())
    drawn.segmented_control(key="section").set_value("Export").run(timeout=30)
    assert [block.value for block in drawn.code] == [
        "euguess dataset export demo --photos --places 50"
    ]


def test_an_empty_store_shows_the_next_step(draw: Draw) -> None:
    drawn = draw("dataset", FakeServices().connections())
    assert "euguess dataset create" in drawn.code[0].value


def test_a_dataset_without_places_shows_the_status_command(draw: Draw) -> None:
    made = FakeServices()
    asyncio.run(DatasetBuilder(made.objects).create({"FR": 5}))
    drawn = draw("dataset", made.connections())
    assert "No places stored yet" in drawn.info[0].value
    assert drawn.code[0].value == "euguess dataset status demo"


def test_a_store_outage_is_shown(draw: Draw) -> None:
    drawn = draw("dataset", FakeServices(down={"store"}).connections())
    assert not drawn.exception
    assert "object store" in drawn.error[0].value
