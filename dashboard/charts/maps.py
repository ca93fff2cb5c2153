"""deck.gl maps on the packaged boundaries, without tile server or token."""

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
from dashboard.text import country_name
from euguess.geography.countries import country

CENTRE = {"latitude": 55.5, "longitude": 11.0, "zoom": 2.4}
MAP_HEIGHT = 560  # pixels; shows all of Europe at this zoom
BORDER = [*rgb(GREY), 255]
LAND = [*rgb(GREY), 40]
POINT_DECIMALS = 3  # 100 m
POINT_RADIUS_M = 2000
MIN_POINT_PIXELS, MAX_POINT_PIXELS = 2.0, 6.0
PLACES = "places"  # layer of places_map
ARC_TILT_DEG = 35  # so that arcs of opposite directions do not overlap
MAX_ARC_PIXELS = 8.0


def places_map(places: pd.DataFrame, colour_of: Mapping[str, str], group: str) -> pydeck.Deck:
    """Draw places as points, coloured by the column `group`.

    Places without coordinates are left out.
    """
    known = places[places["lat"].notna()].round({"lat": POINT_DECIMALS, "lon": POINT_DECIMALS})
    points = pydeck.Layer(
        "GeoJsonLayer",
        [
            _points(rows, str(name), colour_of.get(str(name), GREY))
            for name, rows in known.groupby(group, sort=False)
        ],
        id=PLACES,
        stroked=False,
        pickable=True,
        get_fill_color="properties.fill",
        get_point_radius=POINT_RADIUS_M,
        point_radius_min_pixels=MIN_POINT_PIXELS,
        point_radius_max_pixels=MAX_POINT_PIXELS,
    )
    return _deck([countries_layer(), points], {"text": "{group}"})


def probability_map(shares: Mapping[str, float], country_set: Collection[str]) -> pydeck.Deck:
    """Shade countries by probability (0..1, by code), and outline the country set.

    Opacity is the square root of the probability, so that 4% is visible beside 90%.
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
CHOICES = "choices"  # layer of choice_map; its objects have the property code


def choice_map(codes: Collection[str], chosen: str | None) -> pydeck.Deck:
    """Draw countries to select by a click; the selected one is highlighted."""
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
    """Draw arcs from true to predicted countries, wider for more photos."""
    most = max((one.photos for one in strongest), default=1)
    arcs = pydeck.Layer(
        "ArcLayer",
        [_arc(one, most) for one in strongest if {one.true, one.predicted} <= centres().keys()],
        id="confusions",
        pickable=True,
        get_source_position="from",
        get_target_position="to",
        get_source_color=[*rgb(BLUE), 220],
        get_target_color=[*rgb(ORANGE), 220],
        get_width="width",
        get_tilt=ARC_TILT_DEG,
    )
    tooltip = {"text": "{true} predicted as {predicted}: {photos} photos, {share} of its photos"}
    return _deck([countries_layer(), arcs], tooltip=tooltip)


def _arc(one: Confusion, most: int) -> dict[str, object]:
    true, predicted = centres()[one.true], centres()[one.predicted]
    return {
        "from": [round(true.lon, POINT_DECIMALS), round(true.lat, POINT_DECIMALS)],
        "to": [round(predicted.lon, POINT_DECIMALS), round(predicted.lat, POINT_DECIMALS)],
        "width": 1 + round((MAX_ARC_PIXELS - 1) * one.photos / most, 1),
        "true": country(one.true).name,
        "predicted": country(one.predicted).name,
        "photos": one.photos,
        "share": f"{one.share:.0%}",
    }


def countries_layer() -> pydeck.Layer:
    """Return a layer with the land and borders of all countries."""
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


def _points(rows: pd.DataFrame, group: str, colour: str) -> dict[str, object]:
    positions = rows[["lon", "lat"]].to_numpy().tolist()
    return {
        "type": "Feature",
        "geometry": {"type": "MultiPoint", "coordinates": positions},
        "properties": {"group": country_name(group), "fill": [*rgb(colour), 200]},
    }


class CompactDeck(pydeck.Deck):  # type: ignore[misc]
    """A deck with compact JSON, which is five times smaller for a map."""

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
