from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from euguess.geography.countries import COUNTRIES
from euguess.geography.locations import Coordinate
from services.simulator.imagery import View
from services.simulator.pano_ids import Cell, encode_pano_id
from services.simulator.scenes.appearance import Appearance, Conditions, appearance_of
from services.simulator.scenes.camera import PinholeCamera, directions
from services.simulator.scenes.cues import CUE_PALETTES, CUES, YELLOW, cues_of
from services.simulator.scenes.renderer import DrawnImagery, draw_scene
from services.simulator.scenes.scene import Scene, build_scene
from services.simulator.world import Panorama

SEED = 7
PLAIN = Conditions(
    gains=(1.0, 1.0, 1.0),
    saturation=1.0,
    contrast=1.0,
    clouds=0.0,
    haze=0.0,
    autumn=0.0,
    sun_azimuth=0.0,
)


def panorama(number: int, country_code: str = "FR") -> Panorama:
    pano_id = encode_pano_id(Cell(13_800, number), SEED)
    return Panorama(pano_id, Coordinate(48.2, 8.0), country_code, "2020-05")


def pixels(scene: Scene, heading: float, fov: float = 90, pitch: float = 0) -> NDArray[np.int16]:
    camera = PinholeCamera(160, 160, heading, fov, pitch)
    return np.asarray(draw_scene(scene, camera)).astype(np.int16)


@pytest.fixture(scope="module")
def scene_of() -> Callable[[int], Scene]:
    return lambda number: build_scene(appearance_of(panorama(number), SEED))


def test_the_table_covers_every_country_with_cues_from_the_palettes() -> None:
    assert {country.code for country in COUNTRIES} <= set(CUES)
    for code, cues in CUES.items():
        assert cues.side in ("left", "right"), code
        for cue, values in CUE_PALETTES.items():
            assert getattr(cues, cue) in values, (code, cue)


def test_no_two_countries_share_all_their_cues() -> None:
    assert len(set(CUES.values())) == len(CUES)


def test_traffic_keeps_left_in_the_same_countries_as_in_reality() -> None:
    keeps_left = {code for code, cues in CUES.items() if cues.side == "left"}
    assert keeps_left == {"GB", "IE", "MT", "CY", "IM"}


def test_a_country_missing_from_the_table_gets_fixed_cues_of_its_own() -> None:
    assert cues_of("ZZ") == cues_of("ZZ")
    assert cues_of("ZZ") != cues_of("QQ")
    assert all(getattr(cues_of("ZZ"), cue) in values for cue, values in CUE_PALETTES.items())


@pytest.mark.parametrize(("side", "is_line_left"), [("right", True), ("left", False)])
def test_the_middle_of_the_road_is_left_of_a_car_that_keeps_right(
    side: str, is_line_left: bool
) -> None:
    appearance = appearance_of(panorama(1), SEED)
    cues = replace(appearance.cues, side=side, centre="yellow", edge="none")
    appearance = replace(appearance, cues=cues, conditions=PLAIN, bend=0.0, is_village=False)
    picture = pixels(build_scene(appearance), appearance.road_azimuth)
    is_yellow = np.abs(picture - np.array(YELLOW)).max(axis=-1) < 12
    columns = np.flatnonzero(is_yellow[120:].any(axis=0))
    assert len(columns) > 0
    assert (columns.mean() < 80) == is_line_left


@pytest.mark.parametrize(
    ("heading", "fov", "pitch"),
    [(30, 90, 0), (350, 90, 0), (10, 60, 0), (10, 120, 0), (10, 90, 15)],
)
def test_views_of_a_location_show_the_same_objects_in_the_same_directions(
    scene_of: Callable[[int], Scene], heading: float, fov: float, pitch: float
) -> None:
    scene, other_scene = scene_of(3), scene_of(4)
    azimuths, elevations = np.meshgrid(np.arange(0, 18, 0.5), np.arange(-12, 20, 0.5))
    rays = directions(azimuths.ravel(), elevations.ravel())

    def colours(scene: Scene, *angles: float) -> NDArray[np.int16]:
        camera = PinholeCamera(160, 160, *angles)
        at = np.floor(camera.to_pixels(camera.to_camera(rays))).astype(int)
        return np.asarray(pixels(scene, *angles)[at[:, 1], at[:, 0]])

    reference = colours(scene, 10.0, 90.0, 0.0)
    same = np.abs(colours(scene, heading, fov, pitch) - reference).mean()
    different = np.abs(colours(other_scene, heading, fov, pitch) - reference).mean()
    assert same < 8
    assert different > 3 * same


@pytest.mark.parametrize("pitch", [-90, -45, 45, 90])
def test_steep_views_show_the_ground_or_the_sky(
    scene_of: Callable[[int], Scene], pitch: float
) -> None:
    scene = scene_of(3)
    straight_up = pixels(scene, 0, pitch=90)[80, 80]
    middle = pixels(scene, 0, pitch=pitch)[80, 80]
    is_sky = np.abs(middle - straight_up).max() < 60
    assert is_sky == (pitch > 0)


def test_views_of_one_location_are_more_alike_than_views_of_two(
    scene_of: Callable[[int], Scene],
) -> None:
    means = np.array(
        [[pixels(scene_of(i), h).mean(axis=(0, 1)) for h in (0, 120, 240)] for i in range(24)]
    )
    within = np.abs(means - means.mean(axis=1, keepdims=True)).mean()
    between = np.abs(means.mean(axis=1) - means.mean(axis=(0, 1))).mean()
    assert between > 2 * within


def mean_land(country_code: str) -> NDArray[np.float64]:
    """Return the mean colour of the land beside the road, over 40 locations."""
    places = [appearance_of(panorama(i, country_code), SEED) for i in range(40)]
    views = [pixels(build_scene(appearance), appearance.road_azimuth + 90) for appearance in places]
    return np.asarray(np.mean([view[90:120] for view in views], axis=(0, 1, 2)))


def test_the_land_of_spain_is_redder_and_that_of_ireland_greener() -> None:
    spain, ireland = mean_land("ES"), mean_land("IE")
    assert (spain[0] - spain[1]) - (ireland[0] - ireland[1]) > 8


def test_most_locations_show_their_countrys_cue_but_some_do_not() -> None:
    roofs = [appearance_of(panorama(i, "NL"), SEED).cues.roof for i in range(300)]
    share = sum(roof == cues_of("NL").roof for roof in roofs) / len(roofs)
    assert 0.4 < share < 0.9


def test_a_picture_is_the_same_in_every_simulator_of_a_seed_and_differs_by_seed() -> None:
    view = View(64, 64, 120)
    jpegs = [DrawnImagery(seed=seed).picture(panorama(5), view) for seed in (1, 1, 2)]
    assert jpegs[0] == jpegs[1]
    assert jpegs[0] != jpegs[2]


def test_an_appearance_depends_only_on_panorama_and_seed() -> None:
    first: Appearance = appearance_of(panorama(6), SEED)
    assert first == appearance_of(panorama(6), SEED)
    assert first != appearance_of(panorama(7), SEED)
