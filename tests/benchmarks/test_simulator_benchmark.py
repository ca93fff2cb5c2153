"""Images per second over HTTP, against a server that returns the same bytes every time.

Each server runs in its own process; this process is the client and shares the cores with it.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from euguess.process.ports import free_ports
from euguess.process.project import service_command
from euguess.stack.processes import ServerSpec, started
from euguess.stack.servers import http_ready

pytestmark = pytest.mark.benchmark

CONNECTIONS = 16
PLACES = 150
HEADINGS = (0, 120, 240)
WANTED_IMAGES_PER_SECOND = 200
IMAGE_BYTES = 54_000  # about the size of a drawn 640 x 640 picture
STATIC_SERVER = f"""
import sys
from aiohttp import web

async def image(_: web.Request) -> web.Response:
    return web.Response(body=bytes({IMAGE_BYTES}), content_type="image/jpeg")

app = web.Application()
app.add_routes([web.get("/image", image)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


def running(port: int, argv: list[str], health: str, log: Path) -> AbstractContextManager[object]:
    ready = http_ready(f"http://127.0.0.1:{port}{health}")
    spec = ServerSpec(name=log.stem, argv=tuple(argv), ready=ready, ports=(port,))
    return started(spec, log)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports(1)[0]
    argv = service_command("simulator", "--port", str(port), "--coverage", "1", "--key", "k")
    with running(port, argv, "/healthz", tmp_path_factory.mktemp("log") / "simulator.log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def static_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports(1)[0]
    argv = [sys.executable, "-c", STATIC_SERVER, str(port)]
    with running(port, argv, "/image", tmp_path_factory.mktemp("log") / "static.log"):
        yield f"http://127.0.0.1:{port}"


async def image_urls(base: str) -> list[str]:
    """Return the URLs of three views of each of PLACES places on a line through Europe."""
    urls = []
    async with ClientSession(base) as session:
        for i in range(PLACES):
            at = f"location={47 + i / 100},{6 + i / 50}&radius=2000&key=k"
            async with session.get(f"/maps/api/streetview/metadata?{at}") as response:
                pano_id = (await response.json())["pano_id"]
            view = f"/maps/api/streetview?pano={pano_id}&size=640x640&key=k"
            urls += [f"{base}{view}&heading={heading}" for heading in HEADINGS]
    return urls


async def images_per_second(urls: list[str]) -> float:
    waiting = iter(urls)

    async def download(session: ClientSession) -> None:
        for url in waiting:
            async with session.get(url) as response:
                assert response.status == 200
                await response.read()

    async with ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(download(session) for _ in range(CONNECTIONS)))
        return len(urls) / (time.perf_counter() - began)


def test_the_simulator_serves_at_least_200_images_per_second(
    simulator: str, static_server: str
) -> None:
    async def measure() -> tuple[float, float, float]:
        urls = await image_urls(simulator)
        await images_per_second(urls[:30])
        fresh = await images_per_second(urls[30:])
        cached = await images_per_second(urls[30:])
        return fresh, cached, await images_per_second([f"{static_server}/image"] * len(urls))

    fresh, cached, static = asyncio.run(measure())
    for name, rate in (("drawn", fresh), ("cached", cached), ("static bytes", static)):
        print(f"{name:<14}{rate:8.0f} images/s  {rate / static:6.3f} of static bytes")
    assert cached >= WANTED_IMAGES_PER_SECOND
    assert fresh >= static / 100  # drawing costs 4 ms of CPU, 20 to 50 times a static response
