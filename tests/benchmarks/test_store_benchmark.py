"""Small objects per second: the store against the minio client, on the same server."""

import asyncio
import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from minio import Minio
from urllib3 import PoolManager

from euguess.settings import StoreSettings
from euguess.storage.objects import Objects
from euguess.storage.s3 import bucket_name, s3_store

pytestmark = pytest.mark.benchmark

OBJECTS = 600
IN_FLIGHT = 64  # as in the fetcher
ROUNDS = 5
OURS = "euguess, 64 in flight"
IMAGE = bytes(range(256)) * 320  # 82 kB, about the size of a 640x640 JPEG


@dataclass(frozen=True)
class Rate:
    per_second: float
    cpu_ms: float  # of this process, per object


def measure(work: Callable[[], None]) -> Rate:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Rate(OBJECTS / wall, 1000 * cpu / OBJECTS)


def of_store(store: Objects, prefix: str, *, reading: bool) -> Callable[[], None]:
    async def one(gate: asyncio.Semaphore, number: int) -> None:
        async with gate:
            key = f"{prefix}/{number}"
            await (store.get(key) if reading else store.put(key, IMAGE))

    async def everything() -> None:
        gate = asyncio.Semaphore(IN_FLIGHT)
        await asyncio.gather(*(one(gate, number) for number in range(OBJECTS)))

    return lambda: asyncio.run(everything())


def of_minio(
    client: Minio, bucket: str, prefix: str, threads: int, *, reading: bool
) -> Callable[[], None]:
    def one(number: int) -> None:
        key = f"{prefix}/{number}"
        if reading:
            with client.get_object(bucket_name=bucket, object_name=key) as answer:
                answer.read()
        else:
            data = io.BytesIO(IMAGE)
            client.put_object(bucket_name=bucket, object_name=key, data=data, length=len(IMAGE))

    def everything() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(OBJECTS)))

    return everything


@pytest.fixture(params=["store_settings", pytest.param("minio_settings", marks=pytest.mark.minio)])
def settings(request: pytest.FixtureRequest) -> StoreSettings:
    settings: StoreSettings = request.getfixturevalue(request.param)
    return settings


@pytest.mark.parametrize("reading", [False, True], ids=["put", "get"])
def test_the_store_takes_less_cpu_than_the_minio_client(
    settings: StoreSettings, reading: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Minio(
        endpoint=urlsplit(settings.s3_endpoint).netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
        region=settings.s3_region,
        http_client=PoolManager(maxsize=16),  # one connection per thread; the default is 10
    )
    store, bucket = s3_store(settings), bucket_name(settings)
    of_store(store, "warm", reading=False)()
    prefix = "warm" if reading else "written"
    contenders = {
        OURS: of_store(store, prefix, reading=reading),
        "minio, 1 thread": of_minio(client, bucket, prefix, 1, reading=reading),
        "minio, 16 threads": of_minio(client, bucket, prefix, 16, reading=reading),
    }
    rounds = [{name: measure(work) for name, work in contenders.items()} for _ in range(ROUNDS)]
    verb = "gets" if reading else "puts"
    with capsys.disabled():
        print(f"\n{verb} of {len(IMAGE)} bytes on {settings.s3_endpoint}, medians of {ROUNDS}")
        for name in contenders:
            print(f"  {name:22} {_row(rounds, name, verb)}")
    # If the server shares the cores, it limits requests per second, but not the client's CPU time.
    assert all(_cpu_ratio(rounds, name) > 1 for name in contenders if name != OURS)


def _cpu_ratio(rounds: list[dict[str, Rate]], name: str) -> float:
    return statistics.median(r[name].cpu_ms / r[OURS].cpu_ms for r in rounds)


def _row(rounds: list[dict[str, Rate]], name: str, verb: str) -> str:
    rate = statistics.median(r[name].per_second for r in rounds)
    cpu_ms = statistics.median(r[name].cpu_ms for r in rounds)
    speed_ratio = statistics.median(r[OURS].per_second / r[name].per_second for r in rounds)
    return (
        f"{rate:6.0f} {verb}/s, {cpu_ms:5.2f} ms of CPU each; euguess is {speed_ratio:.2f} x as "
        f"fast with 1/{_cpu_ratio(rounds, name):.2f} of the CPU"
    )
