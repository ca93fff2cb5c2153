"""S3 servers: requests, refusals, outages, and accounts with least privilege."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from euguess.errors import StoreError, StoreUnavailable
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from euguess.storage.administration import ensure_bucket, ensure_service_account
from euguess.storage.s3 import s3_store

PLANTED_SECRET = "planted-secret-0123456789"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(answer: Answer) -> AsyncIterator[StoreSettings]:
    """Settings for a fake S3 server that runs a handler on each connection."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(serve(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield StoreSettings(
            store_url="s3://euguess",
            s3_endpoint=f"http://127.0.0.1:{port}",
            s3_access_key="access",
            s3_secret_key=SecretStr(PLANTED_SECRET),
        )
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def test_a_put_carries_its_sha256_and_a_create_its_condition() -> None:
    requests: list[str] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(
            b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
        )
        writer.close()

    async with tcp_server(record) as settings:
        store = s3_store(settings)
        await store.put("key", b"bytes")
        await store.create("key", b"bytes")
    digest = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode().lower()
    assert all(f"x-amz-checksum-sha256: {digest}" in request for request in requests)
    assert ["if-none-match: *" in request for request in requests] == [False, True]
    assert PLANTED_SECRET not in "".join(requests)


async def test_a_server_that_never_responds_times_out() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(hang) as settings:
        with pytest.raises(StoreUnavailable, match=r"does not answer\. Start it with `euguess up`"):
            await open_store(settings, answer_within_seconds=0.3)


async def test_a_server_that_is_down_is_unavailable(free_port: int) -> None:
    settings = StoreSettings(
        store_url="s3://euguess",
        s3_endpoint=f"http://127.0.0.1:{free_port}",
        s3_access_key="access",
        s3_secret_key=SecretStr(PLANTED_SECRET),
    )
    with pytest.raises(StoreUnavailable, match="start the store with `euguess up`") as raised:
        await open_store(settings)
    with pytest.raises(StoreUnavailable, match="Start it with `euguess up`") as raised_too:
        await asyncio.to_thread(ensure_bucket, settings)
    assert PLANTED_SECRET not in f"{raised.value} {raised_too.value}"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("wrong", ["s3_secret_key", "s3_access_key"])
async def test_wrong_credentials_are_refused_and_not_shown(
    store_settings: StoreSettings, wrong: str
) -> None:
    value = SecretStr(PLANTED_SECRET) if wrong == "s3_secret_key" else PLANTED_SECRET
    settings = store_settings.model_copy(update={wrong: value})
    with pytest.raises(StoreError, match="EUGUESS_S3_SECRET_KEY") as raised:
        await open_store(settings)
    with pytest.raises(StoreError, match="EUGUESS_S3_SECRET_KEY") as raised_too:
        await asyncio.to_thread(ensure_bucket, settings)
    assert not isinstance(raised.value, StoreUnavailable)
    assert PLANTED_SECRET not in f"{raised.value} {raised_too.value}"


async def test_a_missing_bucket_is_named(s3_server: StoreSettings) -> None:
    settings = s3_server.model_copy(update={"store_url": "s3://never-made"})
    with pytest.raises(StoreError, match=r"s3://never-made does not exist\. Create it"):
        await open_store(settings)


async def test_a_bucket_is_created_once(s3_server: StoreSettings) -> None:
    settings = s3_server.model_copy(update={"store_url": f"s3://{secrets.token_hex(8)}"})
    assert [ensure_bucket(settings), ensure_bucket(settings)] == [True, False]


@pytest.fixture
async def account(minio_settings: StoreSettings) -> StoreSettings:
    """A MinIO service account restricted to one bucket."""
    key, secret = secrets.token_hex(8), SecretStr(secrets.token_hex(16))
    assert ensure_service_account(minio_settings, access_key=key, secret_key=secret)
    return minio_settings.model_copy(update={"s3_access_key": key, "s3_secret_key": secret})


@pytest.mark.minio
async def test_a_service_account_allows_what_the_services_do(account: StoreSettings) -> None:
    store: ObjectStore = await open_store(account)
    await store.put("datasets/a/large", bytes(6_000_000))
    assert await store.folders("datasets/") == ["a"]
    assert [key async for key in store.list("")] == ["datasets/a/large"]
    await store.delete("datasets/a/large")


@pytest.mark.minio
async def test_a_service_account_cannot_access_other_buckets(
    account: StoreSettings, minio_server: StoreSettings
) -> None:
    other = {"store_url": f"s3://{secrets.token_hex(8)}"}
    with pytest.raises(StoreError, match="refused"):
        ensure_bucket(account.model_copy(update=other))
    ensure_bucket(minio_server.model_copy(update=other))
    with pytest.raises(StoreError, match="refused access"):
        await open_store(account.model_copy(update=other))


@pytest.mark.minio
async def test_a_service_account_gets_its_new_secret(
    account: StoreSettings, minio_settings: StoreSettings
) -> None:
    secret = SecretStr(secrets.token_hex(16))
    key = account.s3_access_key
    assert not ensure_service_account(minio_settings, access_key=key, secret_key=secret)
    await open_store(account.model_copy(update={"s3_secret_key": secret}))
    with pytest.raises(StoreError, match="refused access"):
        await open_store(account)
