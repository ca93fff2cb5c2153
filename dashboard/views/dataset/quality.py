"""What is odd about a dataset, place by place: an audit by its manifest alone."""

from collections.abc import Iterator

import pandas as pd

from dashboard.sources.manifests import DatasetContents
from euguess.collection.providers import ProviderName
from euguess.geography.boundaries import Boundaries
from euguess.messages.collection import DatasetSpec

UNKNOWN, ELSEWHERE = "position unknown", "outside its country"
FEW_VIEWS, SAME_PHOTO, SAME_SPOT = "views missing", "same photo twice", "same spot twice"
DEGREE_DECIMALS = 5  # 1 m
COLUMNS = ["finding", "country_code", "location_id", "reason"]


def find_issues(
    contents: DatasetContents, spec: DatasetSpec, boundaries: Boundaries
) -> pd.DataFrame:
    """A row per finding with COLUMNS; a place may have several."""
    places = contents.locations
    parts = (
        _unknown(places),
        _elsewhere(places[places["lat"].notna()], boundaries),
        _few_views(places, spec),
        _same_photo(contents.views),
        _same_spot(places[places["lat"].notna()]),
    )
    found = pd.concat([part.reindex(columns=COLUMNS) for part in parts if len(part)] or [_none()])
    return found.sort_values(COLUMNS[:3]).reset_index(drop=True)


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS, dtype=object)


def _unknown(places: pd.DataFrame) -> pd.DataFrame:
    reason = "no position was given, so that its country cannot be checked"
    return places[places["lat"].isna()].assign(finding=UNKNOWN, reason=reason)


def _elsewhere(places: pd.DataFrame, boundaries: Boundaries) -> pd.DataFrame:
    lies_in = pd.Series(boundaries.locate_many(places["lat"], places["lon"]), index=places.index)
    odd = places[(lies_in != places["country_code"]) | lies_in.isna()]
    where = lies_in.loc[odd.index].fillna("no known country")
    return odd.assign(finding=ELSEWHERE, reason="it lies in " + where.astype(str))


def _few_views(places: pd.DataFrame, spec: DatasetSpec) -> pd.DataFrame:
    if spec.provider == ProviderName.FOLDER:  # photos are imported as they come
        return _none()
    wanted = len(spec.headings)
    odd = places[places["views"] < wanted]
    return odd.assign(finding=FEW_VIEWS, reason=odd["views"].astype(str) + f" of {wanted} views")


def _same_photo(views: pd.DataFrame) -> pd.DataFrame:
    one_each = views.drop_duplicates(["location_id", "sha256"])
    return _twins(one_each, ["sha256"], SAME_PHOTO, "has the very bytes of a photo of")


def _same_spot(places: pd.DataFrame) -> pd.DataFrame:
    rounded = places.assign(
        lat=places["lat"].round(DEGREE_DECIMALS), lon=places["lon"].round(DEGREE_DECIMALS)
    )
    return _twins(rounded, ["lat", "lon"], SAME_SPOT, "is within about 1 m of")


def _twins(rows: pd.DataFrame, by: list[str], finding: str, words: str) -> pd.DataFrame:
    """Of rows that are alike, all but the first, each told of the first."""
    firsts = rows.groupby(by, sort=False)["location_id"].transform("first")
    odd = rows[(firsts != rows["location_id"]) & rows.duplicated(by)]
    return odd.assign(finding=finding, reason=f"{words} " + firsts.loc[odd.index])


def counts(found: pd.DataFrame) -> Iterator[tuple[str, int]]:
    """How often there is each kind of finding."""
    for name, count in found["finding"].value_counts().items():
        yield str(name), int(count)
