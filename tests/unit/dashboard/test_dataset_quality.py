"""Data quality checks: each issue is put into an otherwise clean dataset."""

import pandas as pd
import pytest

from dashboard.sources.manifests import contents_of
from dashboard.views.dataset.quality import (
    COLUMNS,
    DUPLICATE_COORDINATES,
    DUPLICATE_PHOTO,
    MISSING_VIEWS,
    NO_COORDINATES,
    WRONG_COUNTRY,
    count_by_kind,
    find_issues,
)
from euguess.collection.manifest_format import table_of
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec
from tests.support.generated_dataset import generated_rows

QUOTAS = {"FR": 3, "PL": 3}
SPEC = DatasetSpec(name="demo", quotas=QUOTAS)


@pytest.fixture
def views() -> pd.DataFrame:
    return table_of(list(generated_rows("demo", QUOTAS))).to_pandas()


def found_in(views: pd.DataFrame, spec: DatasetSpec = SPEC) -> pd.DataFrame:
    return find_issues(contents_of("demo", views), spec, load_boundaries())


def of_place(views: pd.DataFrame, number: int) -> "pd.Series[bool]":
    return views["location_id"].eq(views["location_id"].unique()[number])


def test_a_clean_dataset_has_no_issues(views: pd.DataFrame) -> None:
    found = found_in(views)
    assert list(found.columns) == COLUMNS
    assert not len(found)
    assert not list(count_by_kind(found))


def test_a_place_in_another_country_is_reported_with_that_country(views: pd.DataFrame) -> None:
    views.loc[of_place(views, 0), ["lat", "lon"]] = (52.2, 21.0)
    (row,) = found_in(views).to_dict("records")
    assert (row["issue"], row["country_code"], row["reason"]) == (
        WRONG_COUNTRY,
        "FR",
        "coordinates are in PL",
    )


def test_a_place_at_sea_is_in_no_known_country(views: pd.DataFrame) -> None:
    views.loc[of_place(views, 0), ["lat", "lon"]] = (47.0, -20.0)
    assert found_in(views)["reason"].item() == "coordinates are in no known country"


def test_missing_coordinates_are_not_a_wrong_country(views: pd.DataFrame) -> None:
    views.loc[of_place(views, 0), ["lat", "lon"]] = None
    assert found_in(views)["issue"].to_list() == [NO_COORDINATES]


def test_missing_views_are_counted_except_for_imported_photos(views: pd.DataFrame) -> None:
    fewer = views.drop(index=views.index[of_place(views, 2)][0])
    assert found_in(fewer)["reason"].to_list() == ["2 of 3 views"]
    imported = SPEC.model_copy(update={"provider": "folder"})
    assert not len(found_in(fewer, imported))
    assert MISSING_VIEWS in dict(count_by_kind(found_in(fewer)))


def test_a_duplicate_photo_is_reported_with_its_first_place(views: pd.DataFrame) -> None:
    first, second = (views.index[of_place(views, number)][0] for number in (0, 1))
    views.loc[second, "sha256"] = views.loc[first, "sha256"]
    (row,) = found_in(views).to_dict("records")
    assert row["issue"] == DUPLICATE_PHOTO
    assert row["location_id"] == views.loc[second, "location_id"]
    assert row["reason"].endswith(views.loc[first, "location_id"])


def test_a_photo_repeated_at_one_place_is_not_a_duplicate(views: pd.DataFrame) -> None:
    one, other = views.index[of_place(views, 0)][:2]
    views.loc[other, "sha256"] = views.loc[one, "sha256"]
    assert not len(found_in(views))


def test_two_places_with_the_same_coordinates_are_found(views: pd.DataFrame) -> None:
    first = views.index[of_place(views, 0)][0]
    spot = (views.loc[first, "lat"], views.loc[first, "lon"])
    views.loc[of_place(views, 1), ["lat", "lon"]] = spot
    assert found_in(views)["issue"].to_list() == [DUPLICATE_COORDINATES]
