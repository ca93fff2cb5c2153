import math
from collections.abc import Callable

import pytest

from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from services.simulator.pano_ids import Cell, decode_pano_id, encode_pano_id, user_pano_id
from services.simulator.world import CELL_DEG, DEG_KM, Coverage, Panorama, World

PLACES = [
    Coordinate(48.2, 9.99),
    Coordinate(41.003, 2.5),
    Coordinate(59.9, 15.0),
    Coordinate(50.0, 0.02),
]


def every_panorama(world: World, around: Coordinate, reach_km: float) -> list[Panorama]:
    """Find all panoramas of the cells within a large box, cell by cell."""
    rows = range(*cell_rows(around.lat, reach_km))
    found = []
    for row in rows:
        count = round(36_000 * math.cos(math.radians((row + 0.5) * CELL_DEG - 90)))
        middle = (around.lon + 180) / 360 * count
        width = math.ceil(reach_km / 1.0) + 2
        for column in range(int(middle) - width, int(middle) + width + 1):
            panorama = world.panorama(encode_pano_id(Cell(row, column), world.seed))
            if panorama:
                found.append(panorama)
    return found


def cell_rows(lat: float, reach_km: float) -> tuple[int, int]:
    reach_deg = reach_km / DEG_KM
    return int((lat - reach_deg + 90) / CELL_DEG) - 1, int((lat + reach_deg + 90) / CELL_DEG) + 2


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("radius_m", [50, 700, 2000, 5000])
def test_the_nearest_panorama_is_the_one_that_a_search_of_all_cells_finds(
    world: World, place: Coordinate, radius_m: float
) -> None:
    near = [
        (great_circle_km(place, panorama.coordinate), panorama.pano_id)
        for panorama in every_panorama(world, place, radius_m / 1000)
    ]
    expected = min((pair for pair in near if pair[0] <= radius_m / 1000), default=None)
    found = world.nearest(place, radius_m)
    assert (found.pano_id if found else None) == (expected[1] if expected else None)


def test_a_search_finds_nothing_at_sea(world: World) -> None:
    assert world.nearest(Coordinate(48.2, 25.0), 5000) is None


@pytest.mark.parametrize("lon", [-180.0, 180.0, 179.9999])
@pytest.mark.parametrize("lat", [-90.0, 89.9999, 0.0])
def test_poles_and_date_line_can_be_searched(world: World, lat: float, lon: float) -> None:
    assert world.nearest(Coordinate(lat, lon), 2000) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_coverage_is_the_share_of_cells_with_a_panorama(
    world_with: Callable[[Coverage], World], share: float
) -> None:
    world = world_with(Coverage(share))
    cells = [Cell(13_800 + i, 13_000 + j) for i in range(40) for j in range(40)]
    found = [world.panorama(encode_pano_id(cell, world.seed)) for cell in cells]
    # Three standard deviations of a share among 1,600 are at most 0.0375.
    assert sum(p is not None for p in found) / len(cells) == pytest.approx(share, abs=0.0375)


def test_a_country_may_have_another_coverage(world_with: Callable[[Coverage], World]) -> None:
    world = world_with(Coverage(1.0, {"DE": 0.0}))
    at_the_border = Coordinate(48.2, 10.05)
    found = world.nearest(at_the_border, 20_000)
    assert found is not None
    assert found.country_code == "FR"


def test_a_lookup_by_id_finds_the_panorama_of_the_search(world: World) -> None:
    found = world.nearest(Coordinate(48.2, 8.0), 2000)
    assert found is not None
    assert world.panorama(found.pano_id) == found
    assert world.panorama(user_pano_id(found.pano_id)) == found


def test_equal_seeds_give_equal_worlds_and_different_seeds_do_not(
    world: World, world_with: Callable[[Coverage], World]
) -> None:
    found = world.nearest(Coordinate(48.2, 8.0), 2000)
    assert found == world_with(Coverage(0.7)).nearest(Coordinate(48.2, 8.0), 2000)
    assert found is not None
    assert decode_pano_id(found.pano_id, world.seed + 1) is None


@pytest.mark.parametrize("cell", [Cell(0, 0), Cell(17_999, 35_999), Cell(13_820, 17_133)])
def test_ids_have_22_characters_and_decode_to_their_cell(cell: Cell) -> None:
    pano_id = encode_pano_id(cell, 3)
    assert len(pano_id) == 22
    assert len(user_pano_id(pano_id)) == 44
    assert decode_pano_id(pano_id, 3) == cell


@pytest.mark.parametrize(
    "text", ["", "abc", "A" * 22, "é" * 22, "A" * 44, "../../etc/passwd/....."]
)
def test_other_texts_are_not_ids(text: str) -> None:
    assert decode_pano_id(text, 3) is None


def test_an_id_with_another_last_character_is_rejected() -> None:
    pano_id = encode_pano_id(Cell(1, 2), 3)
    assert all(decode_pano_id(pano_id[:-1] + c, 3) is None for c in "ABCDwxyz" if c != pano_id[-1])


def test_a_panorama_abroad_is_in_another_country(world: World) -> None:
    near_the_border = world.nearest(Coordinate(48.2, 9.9), 2000)
    assert near_the_border is not None
    abroad = world.nearest_abroad(near_the_border)
    assert abroad is not None
    assert (near_the_border.country_code, abroad.country_code) == ("FR", "DE")
    assert great_circle_km(near_the_border.coordinate, abroad.coordinate) < 20
