"""Locating coordinates and measuring distances to borders."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from euguess.errors import InvalidCoordinate, InvalidInput, UnknownCountry
from euguess.geography.boundaries import EQUAL_AREA, Boundaries, load_boundaries
from euguess.geography.boundary_files import write_boundary_file
from euguess.geography.countries import COUNTRIES
from euguess.geography.locations import Coordinate

CAPITALS = {
    "AL": (41.3275, 19.8187), "AD": (42.5063, 1.5218), "AT": (48.2082, 16.3738),
    "BE": (50.8503, 4.3517), "BA": (43.8563, 18.4131), "BG": (42.6977, 23.3219),
    "HR": (45.8150, 15.9819), "CY": (34.7071, 33.0226), "CZ": (50.0755, 14.4378),
    "DK": (55.6761, 12.5683), "EE": (59.4370, 24.7536), "FI": (60.1699, 24.9384),
    "FR": (48.8566, 2.3522), "MK": (41.9981, 21.4254), "DE": (52.5200, 13.4050),
    "GB": (51.5072, -0.1276), "GR": (37.9838, 23.7275), "HU": (47.4979, 19.0402),
    "IS": (64.1466, -21.9426), "IE": (53.3498, -6.2603), "IT": (41.8700, 12.5674),
    "LV": (56.9496, 24.1052), "LI": (47.1660, 9.5554), "LT": (54.6872, 25.2797),
    "LU": (49.6116, 6.1319), "MT": (35.8989, 14.5146), "MD": (47.0105, 28.8638),
    "ME": (42.4304, 19.2594), "NL": (52.3676, 4.9041), "NO": (59.9139, 10.7522),
    "PL": (52.2297, 21.0122), "PT": (38.7223, -9.1393), "RO": (44.4268, 26.1025),
    "RS": (44.8125, 20.4612), "SK": (48.1486, 17.1077), "SI": (46.0569, 14.5058),
    "ES": (40.4168, -3.7038), "SE": (59.3293, 18.0686), "CH": (46.9480, 7.4474),
    "SM": (43.9361, 12.4477), "TR": (39.9334, 32.8597), "UA": (50.4501, 30.5234),
}  # fmt: skip


@pytest.fixture(scope="module")
def boundaries() -> Boundaries:
    return load_boundaries()


@pytest.mark.parametrize("code", [country.code for country in COUNTRIES])
def test_each_countrys_capital_or_main_port_is_in_it(boundaries: Boundaries, code: str) -> None:
    assert boundaries.locate(Coordinate(*CAPITALS[code])) == code


# Cities in each country's corners, to detect a missing part or a wrong cut.
CITIES = """
AL Shkodër 42.0683 19.5126 | AL Gjirokastër 40.0758 20.1389 | AT Graz 47.0707 15.4395
AT Innsbruck 47.2692 11.4041 | BE Liège 50.6326 5.5797 | BE Bruges 51.2093 3.2247
BA Banja_Luka 44.7722 17.1910 | BG Varna 43.2141 27.9147 | HR Split 43.5081 16.4402
HR Osijek 45.5550 18.6955 | HR Dubrovnik 42.6507 18.0944 | CZ Ostrava 49.8209 18.2625
DK Aarhus 56.1629 10.2039 | DK Rønne 55.1037 14.7065 | EE Tartu 58.3780 26.7290
EE Kuressaare 58.2528 22.4860 | FI Rovaniemi 66.5039 25.7294 | FI Mariehamn 60.0970 19.9348
FR Strasbourg 48.5734 7.7521 | FR Nice 43.6957 7.2715 | FR Ajaccio 41.9192 8.7386
FR Brest 48.3904 -4.4861 | MK Bitola 41.0297 21.3292 | DE Munich 48.1351 11.5820
DE Flensburg 54.7937 9.4470 | DE Saarbrücken 49.2402 6.9969 | GB Edinburgh 55.9533 -3.1883
GB Belfast 54.5973 -5.9301 | GB Penzance 50.1188 -5.5376 | GB Lerwick 60.1550 -1.1450
GR Heraklion 35.3387 25.1442 | GR Rhodes 36.4341 28.2176 | GR Thessaloniki 40.6401 22.9444
HU Pécs 46.0727 18.2323 | IT Palermo 38.1157 13.3615 | IT Cagliari 39.2238 9.1217
IT Bolzano 46.4983 11.3548 | IT Trieste 45.6495 13.7768 | LV Daugavpils 55.8747 26.5362
LT Klaipėda 55.7033 21.1443 | LU Esch 49.4958 5.9806 | ME Kotor 42.4247 18.7712
NL Maastricht 50.8514 5.6910 | NL Groningen 53.2194 6.5665 | PL Gdańsk 54.3520 18.6466
PL Przemyśl 49.7838 22.7678 | PT Porto 41.1579 -8.6291 | PT Faro 37.0194 -7.9304
RO Constanța 44.1598 28.6348 | RO Timișoara 45.7489 21.2087 | RS Subotica 46.1005 19.6650
RS Niš 43.3209 21.8958 | SK Košice 48.7164 21.2611 | SI Maribor 46.5547 15.6459
ES Palma 39.5696 2.6502 | ES Vigo 42.2406 -8.7207 | ES Girona 41.9794 2.8214
SE Kiruna 67.8558 20.2253 | SE Malmö 55.6050 13.0038 | SE Visby 57.6348 18.2948
CH Geneva 46.2044 6.1432 | CH Basel 47.5476 7.5794 | CH Lugano 46.0037 8.9511
TR Istanbul 41.0082 28.9784 | TR Edirne 41.6771 26.5557 | TR Kars 40.6013 43.0975
AD Escaldes 42.5100 1.5380 | CY Paphos 34.7754 32.4245 | IS Akureyri 65.6826 -18.0907
IE Galway 53.2707 -9.0568 | MD Bălți 47.7631 27.9293 | MT Rabat 35.8815 14.3990
NO Tromsø 69.6492 18.9553 | NO Kirkenes 69.7271 30.0450 | NO Bergen 60.3913 5.3221
UA Lviv 49.8397 24.0297 | UA Kharkiv 49.9935 36.2304 | UA Odesa 46.4825 30.7233
"""

# Neighbours: territory that is in no preset but shares a border.
NEIGHBOURS = """
RU Kaliningrad 54.7104 20.4522 | RU Murmansk 68.9700 33.0749 | RU Moscow 55.7558 37.6173
BY Brest 52.0976 23.7341 | XK Pristina 42.6629 21.1655 | GI Gibraltar 36.1400 -5.3530
MC Monaco 43.7384 7.4246 | VA Vatican 41.9029 12.4534 | FO Tórshavn 62.0107 -6.7741
IM Douglas 54.1550 -4.4800 | JE Saint_Helier 49.1930 -2.1060 | MA Tangier 35.7595 -5.8340
SY Aleppo 36.2021 37.1343 | GE Batumi 41.6400 41.6400 | XZ Famagusta 35.1200 33.9300
DE Kehl 48.5727 7.8155 | FR Saint-Louis 47.5900 7.5600 | IT Gorizia 45.9300 13.6100
"""


def places(table: str) -> list[tuple[str, str, Coordinate]]:
    rows = (row.split() for row in table.replace("\n", " | ").split(" | ") if row.strip())
    return [(code, name, Coordinate(float(lat), float(lon))) for code, name, lat, lon in rows]


@pytest.mark.parametrize(("code", "place", "coordinate"), places(CITIES + NEIGHBOURS))
def test_known_places_are_located(
    boundaries: Boundaries, code: str, place: str, coordinate: Coordinate
) -> None:
    assert boundaries.locate(coordinate) == code, place


# Official areas in km2 without overseas parts (CIA World Factbook and national offices); Great
# Britain with Northern Ireland, Ukraine without Crimea, Cyprus without its north and the bases.
@pytest.mark.parametrize(
    ("code", "km2"),
    [
        ("FR", 551_500), ("DE", 357_588), ("ES", 498_500), ("GB", 243_610), ("NO", 323_802),
        ("PT", 88_889), ("IT", 301_230), ("NL", 37_400), ("FI", 338_145), ("GR", 131_957),
        ("LU", 2_586), ("TR", 783_562), ("UA", 576_550), ("CY", 5_296), ("IS", 103_000),
    ],
)  # fmt: skip
def test_areas_match_the_official_ones_within_three_percent(
    boundaries: Boundaries, code: str, km2: float
) -> None:
    assert boundaries.territories[code].area / 1e6 == pytest.approx(km2, rel=0.03)


def test_no_two_countries_overlap(boundaries: Boundaries) -> None:
    areas = list(boundaries.territories.values())
    first, second = shapely.STRtree(areas).query(areas, predicate="intersects")
    pairs = np.array(areas)[first[first < second]], np.array(areas)[second[first < second]]
    assert shapely.area(shapely.intersection(*pairs)).max() < 1.0  # square metre


@pytest.mark.parametrize(
    ("place", "lat", "lon"),
    [
        ("Cayenne", 4.9372, -52.3260),
        ("Saint-Denis", -20.8789, 55.4481),
        ("Las Palmas", 28.1235, -15.4363),
        ("Ceuta", 35.8894, -5.3213),
        ("Melilla", 35.2923, -2.9381),
        ("Ponta Delgada", 37.7394, -25.6687),
        ("Funchal", 32.6669, -16.9241),
        ("Longyearbyen", 78.2232, 15.6267),
        ("Jan Mayen", 70.9900, -8.5000),
        ("Nuuk", 64.1814, -51.6941),
        ("Kralendijk", 12.1443, -68.2655),
        ("Fort-de-France", 14.6161, -61.0588),
        ("Chukotka, beyond the antimeridian", 66.3000, -172.0000),
        ("the antipode of central Europe", -52.0, -170.0),
        ("the Bay of Biscay", 45.0, -6.0),
    ],
)
def test_overseas_and_the_sea_are_in_no_country(
    boundaries: Boundaries, place: str, lat: float, lon: float
) -> None:
    assert boundaries.locate(Coordinate(lat, lon)) is None, place


def test_a_place_just_off_the_coast_is_in_the_country(boundaries: Boundaries) -> None:
    quay = Coordinate(54.5035, 18.5600)  # Gdynia's outer harbour, in the sea of a coarse coast
    assert boundaries.locate(quay) == "PL"


def test_locating_many_places_gives_the_same_as_one_by_one(boundaries: Boundaries) -> None:
    lats, lons = np.random.default_rng(0).uniform((36, -9), (70, 40), (300, 2)).T
    many = boundaries.locate_many(lats, lons)
    assert many == [boundaries.locate(Coordinate(a, o)) for a, o in zip(lats, lons, strict=True)]


@pytest.mark.parametrize(
    ("km_off_the_coast", "lon", "code"),
    [(1.9, 0.5, "BE"), (2.1, 0.5, None), (1.9, 1.5, "FR"), (1.9, 1.001, None)],
    ids=["near", "too far", "near the other", "near to both"],
)
def test_the_sea_belongs_to_the_only_country_within_two_kilometres(
    tmp_path: Path, km_off_the_coast: float, lon: float, code: str | None
) -> None:
    east = [[lon + 1, lat] for lon, lat in SQUARE]
    path = geojson(tmp_path / "own.json", area(SQUARE, code="BE"), area(east, code="FR"))
    lat = 50 - km_off_the_coast / 111.2  # kilometres in a degree of latitude
    assert load_boundaries(path).locate(Coordinate(lat, lon)) == code


@pytest.mark.parametrize(
    ("place", "lat", "lon", "code", "low", "high"),
    [
        ("Strasbourg", 48.5734, 7.7521, "FR", 2, 6),  # the Rhine
        ("Kehl", 48.5727, 7.8155, "DE", 0.1, 2),  # the other bank
        ("Basel", 47.5476, 7.5794, "CH", 0.1, 3),  # three countries meet
        ("Nice", 43.6957, 7.2715, "FR", 7, 13),  # Monaco
        ("Rome's suburb", 41.8700, 12.5674, "IT", 8, 12),  # the Vatican
        ("Rimini", 44.0594, 12.5683, "IT", 8, 14),  # San Marino
        ("La Línea", 36.1680, -5.3480, "ES", 0.5, 4),  # Gibraltar
        ("La Seu d'Urgell", 42.3582, 1.4557, "ES", 6, 10),  # Andorra
        ("Niš", 43.3209, 21.8958, "RS", 30, 60),  # Kosovo, nearer than Bulgaria
        ("Iași", 47.1585, 27.6014, "RO", 8, 20),  # Moldova
        ("Sillamäe", 59.3997, 27.7548, "EE", 15, 25),  # Russia
        ("Terespol", 52.0757, 23.6160, "PL", 0.1, 4),  # Belarus
        ("Madrid", 40.4168, -3.7038, "ES", 180, 300),  # Portugal
        ("Dover", 51.1279, 1.3134, "GB", 30, 40),  # across the Channel
        ("Reykjavik", 64.1466, -21.9426, "IS", 700, 800),  # the Faroes
    ],
)
def test_border_distances_of_known_places(
    boundaries: Boundaries, place: str, lat: float, lon: float, code: str, low: float, high: float
) -> None:
    assert low < boundaries.border_km(Coordinate(lat, lon), code) < high, place


def test_border_distances_are_to_the_nearest_other_country(boundaries: Boundaries) -> None:
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)
    for city in ((48.7164, 21.2611), (46.5547, 15.6459), (69.6492, 18.9553), (35.3387, 25.1442)):
        code = boundaries.locate(Coordinate(*city))
        point = shapely.Point(to_metres.transform(city[1], city[0]))
        slow = min(a.distance(point) for c, a in boundaries.territories.items() if c != code)
        assert boundaries.border_km(Coordinate(*city), str(code)) == pytest.approx(slow / 1000)


def test_without_neighbours_the_border_distance_is_the_cap(tmp_path: Path) -> None:
    alone = load_boundaries(geojson(tmp_path / "own.json", area(SQUARE, code="FR")))
    assert alone.border_km(Coordinate(50.5, 0.5), "FR") == 1000


@pytest.mark.parametrize(
    ("place", "lat", "lon", "limit"),
    [
        ("Paris", 48.8, 2.3, 0.002),
        ("Lisbon", 38.7, -9.1, 0.016),
        ("the North Cape", 70.9, 25.7, 0.0165),
        ("Kars", 40.6, 43.1, 0.024),
    ],
)
def test_distance_errors_are_as_documented(
    place: str, lat: float, lon: float, limit: float
) -> None:
    azimuths = np.arange(0.0, 360.0, 15.0)
    start = np.full_like(azimuths, lon), np.full_like(azimuths, lat)
    lons, lats, _ = pyproj.Geod(ellps="GRS80").fwd(*start, azimuths, np.full_like(azimuths, 2e4))
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)
    x, y = np.subtract(to_metres.transform(lons, lats), to_metres.transform(*start))
    worst = np.abs(np.hypot(x, y) / 2e4 - 1).max()
    assert 0.5 * limit < worst <= limit, place


def test_inside_another_country_the_border_distance_is_zero(boundaries: Boundaries) -> None:
    assert boundaries.border_km(Coordinate(52.52, 13.405), "FR") == 0


def test_centroids_lie_in_their_country(boundaries: Boundaries) -> None:
    for country in COUNTRIES:
        assert boundaries.locate(boundaries.centroid(country.code)) == country.code


def test_an_unknown_country_has_no_border(boundaries: Boundaries) -> None:
    with pytest.raises(UnknownCountry, match="ZZ"):
        boundaries.border_km(Coordinate(50, 10), "ZZ")


@pytest.mark.parametrize(
    ("lat", "lon"), [(95, 0), (-91, 0), (0, 181), (float("nan"), 0), (0, float("inf"))]
)
def test_impossible_coordinates_are_rejected(lat: float, lon: float) -> None:
    with pytest.raises(InvalidCoordinate):
        Coordinate(lat, lon)


def geojson(path: Path, *features: object) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def area(ring: list[list[float]], **properties: str) -> dict[str, object]:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


SQUARE = [[0.0, 50.0], [1.0, 50.0], [1.0, 51.0], [0.0, 51.0], [0.0, 50.0]]
METRES = [[4e6, 3e6], [5e6, 3e6], [5e6, 4e6], [4e6, 3e6]]
BOW_TIE = [[0.0, 50.0], [1.0, 51.0], [1.0, 50.0], [0.0, 51.0], [0.0, 50.0]]


@pytest.mark.parametrize("ring", [SQUARE, BOW_TIE], ids=["square", "self-intersecting"])
def test_users_can_supply_boundaries(tmp_path: Path, ring: list[list[float]]) -> None:
    own = load_boundaries(geojson(tmp_path / "own.json", area(ring, ISO_A2="fr")))
    assert own.locate(Coordinate(50.5, 0.9)) == "FR"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not GeoJSON"),
        ("[]", "no features"),
        ('{"features": []}', "no areas"),
        ('{"features": [7]}', "area 1 has no two-letter country code"),
        ('{"features": [{"properties": {}}]}', "area 1 has no two-letter country code"),
        ('{"features": [{"properties": {"ISO_A2": "-99"}}]}', "no two-letter country code"),
        ('{"features": [{"properties": {"code": "FR"}}]}', "invalid geometry"),
        (
            '{"features": [{"properties": {"code": "FR"}, "geometry": '
            '{"type": "Point", "coordinates": [1, 2]}}]}',
            "no polygon",
        ),
        (json.dumps({"features": [area(METRES, code="FR")]}), "not in degrees"),
    ],
)
def test_a_wrong_boundary_file_is_refused_with_the_reason(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=reason):
        load_boundaries(path)


def test_a_missing_boundary_file_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"missing\.json"):
        load_boundaries(tmp_path / "missing.json")


def test_areas_of_one_code_are_joined(tmp_path: Path) -> None:
    island = [[lon + 5, lat] for lon, lat in SQUARE]
    path = geojson(tmp_path / "own.json", area(SQUARE, code="FR"), area(island, code="FR"))
    own = load_boundaries(path)
    assert own.codes == ("FR",)
    assert own.locate_many([50.5, 50.5, 50.5], [0.5, 5.5, 3.0]) == ["FR", "FR", None]


def test_a_parquet_file_is_read_like_the_packaged_one(tmp_path: Path) -> None:
    write_boundary_file(tmp_path / "own.parquet", {"FR": shapely.Polygon(SQUARE)})
    assert load_boundaries(tmp_path / "own.parquet").locate(Coordinate(50.5, 0.5)) == "FR"


def test_a_parquet_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["France"]}), tmp_path / "own.parquet")
    with pytest.raises(InvalidInput, match="country_code and geometry"):
        load_boundaries(tmp_path / "own.parquet")


@pytest.mark.parametrize("name", ["own.json", "own.parquet"])
def test_a_file_in_another_format_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0 no map")
    with pytest.raises(InvalidInput, match=name):
        load_boundaries(tmp_path / name)
