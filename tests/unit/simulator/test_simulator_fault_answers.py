import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientError
from aiohttp.test_utils import TestClient
from PIL import Image

from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.images.photo_headers import InvalidImage
from euguess.images.preprocessing import load_photo
from services.simulator.world import World

Client = TestClient[Any, Any]
StartSimulator = Callable[..., Awaitable[Client]]

METADATA, IMAGE = "/maps/api/streetview/metadata", "/maps/api/streetview"
PLACE = {"location": "48.2,8.0", "radius": "2000", "key": "test-key"}
OTHER_PLACE = PLACE | {"location": "48.2,8.1"}
SHOT = PLACE | {"size": "64x64", "heading": "0"}


async def metadata_of(client: Client, params: dict[str, str] = PLACE) -> dict[str, Any]:
    answer: dict[str, Any] = await (await client.get(METADATA, params=params)).json()
    return answer


async def picture_of(client: Client) -> bytes:
    return await (await client.get(IMAGE, params=SHOT)).read()


def coordinate_of(answer: dict[str, Any]) -> Coordinate:
    return Coordinate(answer["location"]["lat"], answer["location"]["lng"])


@pytest.fixture
def true_place(world: World) -> Coordinate:
    panorama = world.nearest(Coordinate(48.2, 8.0), 2000)
    assert panorama is not None
    return panorama.coordinate


async def test_far_pano_is_3498_km_away(
    start_simulator: StartSimulator, true_place: Coordinate
) -> None:
    answer = await metadata_of(await start_simulator("far_pano"))
    assert answer["status"] == "OK"
    assert great_circle_km(coordinate_of(answer), true_place) == pytest.approx(3498, abs=1)


async def test_null_island_is_a_wrong_coordinate(start_simulator: StartSimulator) -> None:
    answer = await metadata_of(await start_simulator("null_island"))
    assert coordinate_of(answer).is_null_island
    assert answer["location"] == {"lat": 3.6e-08, "lng": 3.6e-08}


async def test_lat_eq_lng_repeats_the_latitude(
    start_simulator: StartSimulator, true_place: Coordinate
) -> None:
    answer = await metadata_of(await start_simulator("lat_eq_lng"))
    assert answer["location"] == {"lat": true_place.lat, "lng": true_place.lat}


async def test_a_user_photosphere_has_a_person_and_a_long_id_that_can_be_fetched(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator("user_photosphere")
    answer = await metadata_of(client)
    assert answer["copyright"] != "© Google"
    assert len(answer["pano_id"]) == 44
    params = {"pano": answer["pano_id"], "key": "test-key", "size": "64x64"}
    assert (await client.get(IMAGE, params=params)).content_type == "image/jpeg"


async def test_dates_can_be_missing_or_a_year(
    start_simulator: StartSimulator, world: World
) -> None:
    assert "date" not in await metadata_of(await start_simulator("no_date"))
    answer = await metadata_of(await start_simulator("year_only_date"))
    panorama = world.panorama(answer["pano_id"])
    assert panorama is not None
    assert answer["date"] == panorama.captured[:4]


async def test_across_border_answers_with_a_real_panorama_of_the_neighbour(
    start_simulator: StartSimulator, world: World
) -> None:
    at_border = PLACE | {"location": "48.2,9.98"}
    answer = await metadata_of(await start_simulator("across_border"), at_border)
    panorama = world.panorama(answer["pano_id"])
    assert panorama is not None
    assert (panorama.country_code, panorama.coordinate) == ("DE", coordinate_of(answer))


async def test_same_pano_repeats_the_first_id_for_other_coordinates(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator("same_pano")
    first, second = await metadata_of(client), await metadata_of(client, OTHER_PLACE)
    assert first["pano_id"] == second["pano_id"]
    assert first["location"] != second["location"]


async def test_a_stale_panorama_is_found_by_location_but_not_by_id(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator("stale_pano_id")
    pano_id = (await metadata_of(client))["pano_id"]
    by_id = {"pano": pano_id, "key": "test-key", "size": "64x64", "return_error_code": "true"}
    assert (await metadata_of(client, by_id))["status"] == "ZERO_RESULTS"
    assert (await client.get(IMAGE, params=by_id)).status == 404


@pytest.mark.parametrize(
    ("fault", "metadata_status", "image_status"),
    [
        ("denied", "REQUEST_DENIED", 403),
        ("over_limit_then_ok=100%", "OVER_QUERY_LIMIT", 429),
        ("unknown_error", "UNKNOWN_ERROR", 503),
    ],
)
async def test_a_denied_request_has_its_status_at_both_endpoints(
    start_simulator: StartSimulator, fault: str, metadata_status: str, image_status: int
) -> None:
    client = await start_simulator(fault)
    assert (await metadata_of(client))["status"] == metadata_status
    assert (await client.get(IMAGE, params=SHOT)).status == image_status


@pytest.mark.parametrize("fault", ["over_limit_then_ok", "500_then_ok"])
async def test_a_then_ok_fault_passes_when_the_request_is_repeated(
    start_simulator: StartSimulator, fault: str
) -> None:
    client = await start_simulator(fault)
    statuses = [(await client.get(IMAGE, params=SHOT)).status for _ in range(3)]
    assert statuses[0] in (429, 500)
    assert statuses[1:] == [200, 200]


@pytest.mark.parametrize("path", [METADATA, IMAGE])
async def test_html_200_is_a_web_page(start_simulator: StartSimulator, path: str) -> None:
    response = await (await start_simulator("html_200")).get(path, params=SHOT)
    assert (response.status, response.content_type) == (200, "text/html")


@pytest.mark.parametrize("path", [METADATA, IMAGE])
async def test_a_disconnect_closes_the_connection_without_a_response(
    start_simulator: StartSimulator, path: str
) -> None:
    client = await start_simulator("disconnect")
    with pytest.raises((ClientError, ConnectionError)):
        await client.get(path, params=SHOT)


async def test_a_slow_response_is_late_but_correct(start_simulator: StartSimulator) -> None:
    client = await start_simulator()
    await client.post("/faults", json=[{"mode": "slow", "seconds": 0.2, "count": 1}])
    started = time.perf_counter()
    assert (await metadata_of(client))["status"] == "OK"
    assert time.perf_counter() - started >= 0.2


async def test_a_truncated_picture_cannot_be_decoded(start_simulator: StartSimulator) -> None:
    with pytest.raises(InvalidImage):
        load_photo(await picture_of(await start_simulator("truncated_jpeg")), side=64)


async def test_a_picture_of_the_wrong_size_decodes(start_simulator: StartSimulator) -> None:
    jpeg = await picture_of(await start_simulator("wrong_size_jpeg"))
    assert load_photo(jpeg, side=64).size == (32, 32)


async def test_the_placeholder_fault_hides_a_panorama_that_exists(
    start_simulator: StartSimulator,
) -> None:
    params = SHOT | {"size": "640x640", "return_error_code": "true"}
    response = await (await start_simulator("placeholder")).get(IMAGE, params=params)
    photo = load_photo(await response.read(), side=640)
    commonest, _ = max(photo.convert("L", dither=Image.Dither.NONE).getcolors() or [(0, 0)])
    assert response.status == 200
    assert commonest > 0.9 * photo.width * photo.height


async def test_faults_are_scripted_read_and_cleared_at_run_time(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator()
    posted = await client.post("/faults", json=[{"mode": "denied", "count": 2}])
    assert posted.status == 200
    assert (await metadata_of(client))["status"] == "REQUEST_DENIED"
    (rule,) = await (await client.get("/faults")).json()
    assert (rule["mode"], rule["count"], rule["applied"]) == ("denied", 2, 1)
    await client.delete("/faults")
    assert (await metadata_of(client))["status"] == "OK"
    counters = await (await client.get("/counters")).json()
    assert counters["faults_applied"] == {"denied": 1}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '[{"mode": "sloow"}]',
        '[{"mode": "slow", "count": 0}]',
        '[{"mode": "slow", "cuont": 1}]',
        '[{"mode": "slow"}, {"mode": "far_pano", "endpoint": "image"}]',
    ],
)
async def test_an_invalid_script_is_rejected_completely(
    start_simulator: StartSimulator, body: str
) -> None:
    client = await start_simulator()
    response = await client.post("/faults", data=body)
    assert response.status == 400
    assert "\n" not in (await response.json())["error"]
    assert await (await client.get("/faults")).json() == []
