"""Maps of deck.gl on the packaged boundaries: no tile server, no token.

Nothing here knows Streamlit.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import pydeck
from pydeck.bindings.json_tools import default_serialize

from dashboard.charts.confusion import Confusion
from dashboard.charts.geography import features
from dashboard.charts.order import centres
from dashboard.charts.palette import BLUE, GREY, ORANGE, rgb
from euguess.geography.countries import country

CENTRE = {"latitude": 55.5, "longitude": 11.0, "zoom": 2.4}
MAP_HEIGHT = 560  # pixels, in which that shows all of Europe
BORDER = [*rgb(GREY), 255]
LAND = [*rgb(GREY), 40]
POINT_DECIMALS = 3  # 100 m
POINT_RADIUS_M = 2000
MIN_POINT_PIXELS, MAX_POINT_PIXELS = 2.0, 6.0
PLACES = "places"  # layer of places_map
ARC_TILT_DEG = 35  # seen from above, arcs of both directions bow to different sides
WIDEST_ARC_PIXELS = 8.0


def places_map(places: pd.DataFrame, colour_of: Mapping[str, str], group: str) -> pydeck.Deck:
    """Places as points, in the colour of their group; group names the column that holds it.

    Places of unknown position are left out. Codes of countries may be the groups.
    """
    known = places[places["lat"].notna()].round({"lat": POINT_DECIMALS, "lon": POINT_DECIMALS})
    points = pydeck.Layer(
        "GeoJsonLayer",
        [
            _points(rows, colour_of.get(str(name), GREY))
            for name, rows in known.groupby(group, sort=False)
        ],
        id=PLACES,
        stroked=False,
        get_fill_color="properties.fill",
        get_point_radius=POINT_RADIUS_M,
        point_radius_min_pixels=MIN_POINT_PIXELS,
        point_radius_max_pixels=MAX_POINT_PIXELS,
    )
    return _deck([countries_layer(), points])


def probability_map(shares: Mapping[str, float], country_set: Collection[str]) -> pydeck.Deck:
    """Countries by the probability (0..1) that a place lies there; keys are codes.

    The likelier, the less transparent, by the square root, so that 4 % can be seen beside 90 %.
    The country set is outlined.
    """
    rows = [
        {
            "type": "Feature",
            "geometry": geometry,
            "properties": _shading(code, shares[code], is_likely=code in country_set),
        }
        for code, geometry in features().items()
        if code in shares
    ]
    shaded = pydeck.Layer(
        "GeoJsonLayer",
        rows,
        id="probabilities",
        filled=True,
        pickable=True,
        get_fill_color="properties.fill",
        get_line_color="properties.line",
        line_width_min_pixels=2,
    )
    return _deck([countries_layer(), shaded], tooltip={"text": "{country}: {share}"})


CHOICE_ZOOM, CHOICE_HEIGHT = 1.9, 400  # all of Europe in a narrow column
CHOICES = "choices"  # layer of choice_map; its objects' properties hold a code


def choice_map(codes: Collection[str], chosen: str | None) -> pydeck.Deck:
    """Countries to choose from by a click; the chosen one is coloured."""
    rows = [
        {
            "type": "Feature",
            "geometry": geometry,
            "properties": {
                "code": code,
                "country": country(code).name,
                "fill": [*rgb(ORANGE), 220] if code == chosen else [*rgb(BLUE), 60],
            },
        }
        for code, geometry in features().items()
        if code in codes
    ]
    choices = pydeck.Layer(
        "GeoJsonLayer",
        rows,
        id=CHOICES,
        filled=True,
        pickable=True,
        auto_highlight=True,
        highlight_color=[*rgb(ORANGE), 160],
        get_fill_color="properties.fill",
        get_line_color=BORDER,
        line_width_min_pixels=1,
    )
    return _deck([countries_layer(), choices], {"text": "{country}"}, CHOICE_ZOOM)


def _shading(code: str, share: float, *, is_likely: bool) -> dict[str, object]:
    return {
        "country": country(code).name,
        "share": f"{share:.1%}",
        "fill": [*rgb(BLUE), round(255 * math.sqrt(share))],
        "line": [*rgb(ORANGE), 255] if is_likely else BORDER,
    }


def confusion_map(strongest: Sequence[Confusion]) -> pydeck.Deck:
    """Arcs from true countries to those they were taken for, wider for more photos."""
    most = max((one.photos for one in strongest), default=1)
    arcs = pydeck.Layer(
        "ArcLayer",
        [_arc(one, most) for one in strongest if {one.true, one.named} <= centres().keys()],
        id="confusions",
        pickable=True,
        get_source_position="from",
        get_target_position="to",
        get_source_color=[*rgb(BLUE), 220],
        get_target_color=[*rgb(ORANGE), 220],
        get_width="width",
        get_tilt=ARC_TILT_DEG,
    )
    tooltip = {"text": "{true} taken for {named}: {photos} photos, {share} of its own"}
    return _deck([countries_layer(), arcs], tooltip=tooltip)


def _arc(one: Confusion, most: int) -> dict[str, object]:
    true, named = centres()[one.true], centres()[one.named]
    return {
        "from": [round(true.lon, POINT_DECIMALS), round(true.lat, POINT_DECIMALS)],
        "to": [round(named.lon, POINT_DECIMALS), round(named.lat, POINT_DECIMALS)],
        "width": 1 + round((WIDEST_ARC_PIXELS - 1) * one.photos / most, 1),
        "true": country(one.true).name,
        "named": country(one.named).name,
        "photos": one.photos,
        "share": f"{one.share:.0%}",
    }


def countries_layer() -> pydeck.Layer:
    """The land of all countries, with their borders."""
    rows = [
        {"type": "Feature", "geometry": geometry, "properties": {"code": code}}
        for code, geometry in features().items()
    ]
    return pydeck.Layer(
        "GeoJsonLayer",
        rows,
        id="countries",
        filled=True,
        get_fill_color=LAND,
        get_line_color=BORDER,
        line_width_min_pixels=1,
    )


def _points(rows: pd.DataFrame, colour: str) -> dict[str, object]:
    positions = rows[["lon", "lat"]].to_numpy().tolist()
    return {
        "type": "Feature",
        "geometry": {"type": "MultiPoint", "coordinates": positions},
        "properties": {"fill": [*rgb(colour), 200]},
    }


class CompactDeck(pydeck.Deck):  # type: ignore[misc]
    """A deck whose JSON has no indentation: that of a map is five times smaller."""

    def to_json(self) -> str:
        return json.dumps(self, default=default_serialize, separators=(",", ":"))


def _deck(
    layers: list[pydeck.Layer],
    tooltip: dict[str, str] | None = None,
    zoom: float = CENTRE["zoom"],
) -> pydeck.Deck:
    view = pydeck.ViewState(**CENTRE | {"zoom": zoom}, min_zoom=1.5, max_zoom=12)
    return CompactDeck(
        layers=layers, initial_view_state=view, map_provider=None, tooltip=tooltip or False
    )
