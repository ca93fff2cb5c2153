"""Images per second of the fetch path against a plain loop, with a provider 50 ms away."""

import asyncio
import io
import time
import urllib.request
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image
from pydantic import SecretStr

from euguess.collection.budget import BudgetLedger, Sum
from euguess.collection.layout import spec_key
from euguess.collection.ledger import Ledger
from euguess.collection.redis_connection import open_redis
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec, FetchLocations
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls
from services.fetcher.context import FetchContext
from services.fetcher.message import MessageFetcher
from services.fetcher.providers.google import GoogleAccess, GoogleProvider
from services.fetcher.ratelimit import RateLimit
from tests.support.fetcher_rig import message, slots

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LATENCY_SECONDS = 0.05
SPEC = DatasetSpec(name="bench", quotas={"FR": 600, "PL": 600}, size=640)
LOOP_IMAGES = 60
MESSAGES = 4


def street_photo() -> bytes:
    """Draw a JPEG with the size and detail of a street photo: about 80 KB."""
    coarse = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    large = Image.fromarray(coarse).resize((640, 640), Image.Resampling.BICUBIC)
    large.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


JPEG = street_photo()


async def serve_metadata(request: web.Request) -> web.Response:
    await asyncio.sleep(LATENCY_SECONDS)
    lat, lon = request.query["location"].split(",")
    body = {
        "status": "OK",
        "copyright": "© Google",
        "pano_id": f"{lat}_{lon}".replace(".", "-")[:22],
        "location": {"lat": float(lat), "lng": float(lon)},
    }
    return web.json_response(body)


async def serve_image(request: web.Request) -> web.Response:
    await asyncio.sleep(LATENCY_SECONDS)
    return web.Response(body=JPEG, content_type="image/jpeg")


@pytest.fixture
async def provider_url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/maps/api/streetview/metadata", serve_metadata)
    app.router.add_get("/maps/api/streetview", serve_image)
    server = TestServer(app)
    await server.start_server(access_log=None)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


def plain_loop(url: str) -> float:
    """Return images per second of the study's loop: one request at a time."""
    started = time.perf_counter()
    for heading in range(LOOP_IMAGES):
        with urllib.request.urlopen(f"{url}/maps/api/streetview?heading={heading}") as answer:
            assert answer.read() == JPEG
    return LOOP_IMAGES / (time.perf_counter() - started)


async def fetch_path(fetcher: MessageFetcher, wanted: list[FetchLocations]) -> float:
    """Return images per second of 50-slot messages: metadata, checks, storage and ledger."""
    started = time.perf_counter()
    for one in wanted:
        await fetcher.fetch(one.model_dump_json())
    return 150 * len(wanted) / (time.perf_counter() - started)


async def test_the_fetch_path_is_faster_than_the_plain_loop(
    provider_url: str, redis_url: str, s3_store: ObjectStore
) -> None:
    await s3_store.put(spec_key(SPEC.name), SPEC.model_dump_json().encode())
    keys = slots(50 * MESSAGES)
    wanted = [message(keys[n : n + 50], SPEC) for n in range(0, len(keys), 50)]
    async with open_redis(redis_url) as redis, aiohttp.ClientSession() as session:
        ledger, budgets = Ledger(redis), BudgetLedger(redis)
        await budgets.open(SPEC.name, await budgets.prepare(SPEC.name), Sum(), None)
        access = GoogleAccess(base_url=provider_url, key=SecretStr("key"))
        provider = GoogleProvider(session, access, name="simulator", requests_per_second=None)
        calls = Calls(RateLimit(redis, "simulator", None), chance=Random(0))

        context = FetchContext(provider, calls, s3_store, ledger, budgets, load_boundaries())
        fetcher = MessageFetcher(s3_store, ledger, lambda _: context, 120)
        loop = await asyncio.to_thread(plain_loop, provider_url)
        cpu, ours = time.process_time(), await fetch_path(fetcher, wanted)
        cpu_ms = 1000 * (time.process_time() - cpu) / (150 * MESSAGES)
        stored = len(await ledger.outcomes(SPEC.name))
    assert stored == 50 * MESSAGES
    print(
        f"\nplain loop {loop:.0f} images/s; fetch path {ours:.0f} images/s: {ours / loop:.1f} x; "
        f"{cpu_ms:.2f} ms CPU per image, including the provider stub ({len(JPEG)} bytes each)"
    )
    assert ours > 3 * loop
