import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from PIL import Image
from yarl import URL

from services.simulator.api.access import sign
from services.simulator.world import World

Client = TestClient[Any, Any]
StartSimulator = Callable[..., Awaitable[Client]]

METADATA, IMAGE = "/maps/api/streetview/metadata", "/maps/api/streetview"
PLACE = {"location": "48.2,8.0", "radius": "2000", "key": "test-key"}
AT_SEA = PLACE | {"location": "48.2,30.0"}
SHOT = {"size": "64x48", "heading": "120"}


async def pano_id_of(client: Client) -> str:
    answer = await (await client.get(METADATA, params=PLACE)).json()
    return str(answer["pano_id"])


async def view_of(client: Client) -> dict[str, str]:
    return {"pano": await pano_id_of(client), "key": "test-key", **SHOT}


def pixels_of(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


def is_grey_placeholder(jpeg: bytes) -> bool:
    colours = pixels_of(jpeg).convert("RGB").getcolors(10**6) or []
    count, colour = max(colours)
    is_mostly_one = count / sum(n for n, _ in colours) > 0.6
    return is_mostly_one and isinstance(colour, tuple) and max(colour) - min(colour) < 8


async def text_of(response: ClientResponse) -> tuple[int, str, str]:
    return response.status, response.content_type, await response.text()


async def test_a_found_panorama_has_the_format_and_headers_of_the_real_response(
    start_simulator: StartSimulator, world: World
) -> None:
    response = await (await start_simulator()).get(METADATA, params=PLACE)
    answer = await response.json()
    assert response.status == 200
    assert response.headers["Content-Type"].lower() == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    panorama = world.panorama(answer["pano_id"])
    assert panorama is not None
    assert answer == {
        "copyright": "© Google",
        "date": panorama.captured,
        "location": {"lat": panorama.coordinate.lat, "lng": panorama.coordinate.lon},
        "pano_id": panorama.pano_id,
        "status": "OK",
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"location": "48.2,30.0"}, "ZERO_RESULTS"),
        ({"pano": "A" * 22}, "ZERO_RESULTS"),
        ({"radius": "0"}, "ZERO_RESULTS"),
        ({"location": "Unter den Linden 1, Berlin"}, "NOT_FOUND"),
        ({"location": ""}, "INVALID_REQUEST"),
        ({"location": "91,8"}, "INVALID_REQUEST"),
        ({"location": "nan,8"}, "INVALID_REQUEST"),
        ({"radius": "-1"}, "INVALID_REQUEST"),
        ({"radius": "inf"}, "INVALID_REQUEST"),
        ({"source": "indoor"}, "INVALID_REQUEST"),
        ({"key": ""}, "REQUEST_DENIED"),
        ({"key": "other"}, "REQUEST_DENIED"),
    ],
)
async def test_metadata_gives_status_200_and_the_reason_when_there_is_no_panorama(
    start_simulator: StartSimulator, change: dict[str, str], status: str
) -> None:
    client = await start_simulator()
    response = await client.get(METADATA, params=PLACE | change)
    answer = await response.json()
    assert (response.status, answer["status"]) == (200, status)
    assert set(answer) <= {"status", "error_message"}


async def test_a_panorama_can_be_looked_up_by_its_id_which_wins_over_a_location(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator()
    pano_id = await pano_id_of(client)
    response = await client.get(METADATA, params=AT_SEA | {"pano": pano_id})
    assert (await response.json())["pano_id"] == pano_id


@pytest.mark.parametrize(
    ("size", "expected"),
    [("640x640", (640, 640)), ("64x48", (64, 48)), ("33x17", (33, 17)), ("9000x10", (640, 10))],
)
async def test_a_picture_is_a_jpeg_of_the_requested_size(
    start_simulator: StartSimulator, size: str, expected: tuple[int, int]
) -> None:
    client = await start_simulator()
    response = await client.get(IMAGE, params=await view_of(client) | {"size": size})
    picture = pixels_of(await response.read())
    assert (response.status, response.content_type) == (200, "image/jpeg")
    assert (picture.format, picture.size) == ("JPEG", expected)


async def test_a_picture_by_location_is_the_picture_of_the_nearest_panorama(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator()
    by_id = await (await client.get(IMAGE, params=await view_of(client))).read()
    by_location = await (await client.get(IMAGE, params=PLACE | SHOT)).read()
    assert by_id == by_location


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", ""),
        ("size", "64"),
        ("size", "0x64"),
        ("size", "-64x64"),
        ("heading", "361"),
        ("heading", "-1"),
        ("heading", "north"),
        ("fov", "121"),
        ("fov", "0"),
        ("pitch", "91"),
        ("pitch", "nan"),
        ("radius", "-5"),
    ],
)
async def test_invalid_parameters_of_a_picture_get_400_and_are_named(
    start_simulator: StartSimulator, name: str, value: str
) -> None:
    client = await start_simulator()
    params = await view_of(client) | {name: value}
    status, content_type, text = await text_of(await client.get(IMAGE, params=params))
    assert (status, content_type) == (400, "text/plain")
    assert f"'{name}'" in text


async def test_no_imagery_is_a_grey_picture_or_a_404_if_error_codes_are_requested(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator()
    params = AT_SEA | SHOT | {"size": "640x640"}
    response = await client.get(IMAGE, params=params)
    placeholder = await response.read()
    assert (response.status, response.content_type) == (200, "image/jpeg")
    assert pixels_of(placeholder).size == (640, 640)
    assert is_grey_placeholder(placeholder)
    assert len(placeholder) < 15_000
    refused = await client.get(IMAGE, params=params | {"return_error_code": "true"})
    assert refused.status == 404


async def test_a_missing_key_is_an_error_picture_and_a_wrong_one_a_403(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator()
    view = await view_of(client)
    wrong = await text_of(await client.get(IMAGE, params=view | {"key": "secret-canary"}))
    assert wrong[:2] == (403, "text/plain")
    assert "secret-canary" not in wrong[2]
    del view["key"]
    missing = await client.get(IMAGE, params=view | {"size": "640x640"})
    assert (missing.status, missing.content_type) == (200, "image/jpeg")
    assert is_grey_placeholder(await missing.read())


@pytest.mark.parametrize("comma", [",", "%2C"])
async def test_a_signature_is_checked_over_the_target_as_it_was_sent(
    start_simulator: StartSimulator, comma: str
) -> None:
    client = await start_simulator(signing_secret="a2V5")
    target = f"{METADATA}?location=48.2{comma}8.0&radius=2000&key=test-key"
    good = f"{target}&signature={sign('a2V5', target)}"
    other = good.replace(comma, "%2C" if comma == "," else ",")
    statuses = [
        (await (await client.get(URL(url, encoded=True))).json())["status"]
        for url in (good, other, target)
    ]
    assert statuses == ["OK", "REQUEST_DENIED", "REQUEST_DENIED"]


async def test_an_unsigned_picture_request_gets_403_if_signatures_are_required(
    start_simulator: StartSimulator,
) -> None:
    client = await start_simulator(signing_secret="a2V5")
    assert (await client.get(IMAGE, params=PLACE | SHOT)).status == 403


async def test_a_denial_of_metadata_may_come_with_403(start_simulator: StartSimulator) -> None:
    client = await start_simulator(denied_status=403)
    response = await client.get(METADATA, params=PLACE | {"key": "other"})
    assert (response.status, (await response.json())["status"]) == (403, "REQUEST_DENIED")


async def test_counters_report_requests_and_billed_images(start_simulator: StartSimulator) -> None:
    client = await start_simulator()
    view = await view_of(client)
    for params in (view, view, view | {"heading": "0"}, view | {"heading": "999"}, AT_SEA | SHOT):
        await client.get(IMAGE, params=params)
    counters = await (await client.get("/counters")).json()
    pano_id = view["pano"]
    assert counters["metadata_calls"] == 1
    assert counters["image_statuses"] == {"200": 4, "400": 1}
    assert counters["billed_by_key"] == {"key 1": 4}
    assert counters["calls_per_view"] == {f"{pano_id}/120": 2, f"{pano_id}/0": 1}
    assert counters["billed_more_than_once"] == {f"{pano_id}/120": 2}
    assert "test-key" not in str(counters)
    await client.delete("/counters")
    assert (await (await client.get("/counters")).json())["image_calls"] == 0


async def test_the_server_reports_that_it_is_healthy(start_simulator: StartSimulator) -> None:
    response = await (await start_simulator()).get("/healthz")
    assert (response.status, await response.json()) == (200, {"status": "ok"})
