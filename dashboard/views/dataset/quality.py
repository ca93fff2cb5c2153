"""Data quality checks of a dataset, from its manifest alone."""

from collections.abc import Iterator

import pandas as pd

from dashboard.sources.manifests import DatasetContents
from euguess.collection.providers import ProviderName
from euguess.geography.boundaries import Boundaries
from euguess.messages.collection import DatasetSpec

NO_COORDINATES, WRONG_COUNTRY = "no coordinates", "outside its country"
MISSING_VIEWS = "missing views"
DUPLICATE_PHOTO, DUPLICATE_COORDINATES = "duplicate photo", "duplicate coordinates"
DEGREE_DECIMALS = 5  # 1 m
COLUMNS = ["issue", "country_code", "location_id", "reason"]


def find_issues(
    contents: DatasetContents, spec: DatasetSpec, boundaries: Boundaries
) -> pd.DataFrame:
    """Return a row per issue with COLUMNS; a location may have several."""
    locations = contents.locations
    located = locations[locations["lat"].notna()]
    parts = (
        _no_coordinates(locations),
        _wrong_country(located, boundaries),
        _missing_views(locations, spec),
        _duplicate_photos(contents.views),
        _duplicate_coordinates(located),
    )
    found = pd.concat([part.reindex(columns=COLUMNS) for part in parts if len(part)] or [_none()])
    return found.sort_values(COLUMNS[:3]).reset_index(drop=True)


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS, dtype=object)


def _no_coordinates(locations: pd.DataFrame) -> pd.DataFrame:
    reason = "the record has no coordinates, so its country cannot be checked"
    return locations[locations["lat"].isna()].assign(issue=NO_COORDINATES, reason=reason)


def _wrong_country(locations: pd.DataFrame, boundaries: Boundaries) -> pd.DataFrame:
    codes = boundaries.locate_many(locations["lat"], locations["lon"])
    located_in = pd.Series(codes, index=locations.index)
    wrong = locations[(located_in != locations["country_code"]) | located_in.isna()]
    where = located_in.loc[wrong.index].fillna("no known country")
    return wrong.assign(issue=WRONG_COUNTRY, reason="coordinates are in " + where.astype(str))


def _missing_views(locations: pd.DataFrame, spec: DatasetSpec) -> pd.DataFrame:
    if spec.provider == ProviderName.FOLDER:  # imported photos have any number of views
        return _none()
    expected = len(spec.headings)
    few = locations[locations["views"] < expected]
    return few.assign(
        issue=MISSING_VIEWS, reason=few["views"].astype(str) + f" of {expected} views"
    )


def _duplicate_photos(views: pd.DataFrame) -> pd.DataFrame:
    one_each = views.drop_duplicates(["location_id", "sha256"])
    return _duplicates(one_each, ["sha256"], DUPLICATE_PHOTO, "same file as a photo of")


def _duplicate_coordinates(locations: pd.DataFrame) -> pd.DataFrame:
    columns = ["lat", "lon"]
    rounded = locations.assign(**{name: locations[name].round(DEGREE_DECIMALS) for name in columns})
    return _duplicates(rounded, columns, DUPLICATE_COORDINATES, "within about 1 m of")


def _duplicates(rows: pd.DataFrame, by: list[str], issue: str, prefix: str) -> pd.DataFrame:
    """Return rows that repeat an earlier one in the columns `by`, with the first one as reason."""
    firsts = rows.groupby(by, sort=False)["location_id"].transform("first")
    repeated = rows[(firsts != rows["location_id"]) & rows.duplicated(by)]
    return repeated.assign(issue=issue, reason=f"{prefix} " + firsts.loc[repeated.index])


def count_by_kind(found: pd.DataFrame) -> Iterator[tuple[str, int]]:
    """Count issues by kind."""
    for name, count in found["issue"].value_counts().items():
        yield str(name), int(count)
