"""Act as a user of a running stack: collect datasets and query the model."""

import base64
import json
from pathlib import Path

from euguess.clients import InferenceClient, SamplerClient
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
)
from tests.compose.stack import Stack

COLLECT_SECONDS = 180

READ_VIEWS = """
import asyncio, base64, json, sys
from euguess.collection.layout import locations_prefix
from euguess.settings import StoreSettings
from euguess.storage import open_store

async def main():
    store = await open_store(StoreSettings.load())
    key = min([key async for key in store.list(locations_prefix(sys.argv[1]))])
    record = json.loads(await store.get(key))
    views = [await store.get(view["key"], sha256=view["sha256"]) for view in record["views"]]
    print(json.dumps([base64.b64encode(view).decode() for view in views]))

asyncio.run(main())
"""


def sampler_client(stack: Stack) -> SamplerClient:
    return SamplerClient(f"http://127.0.0.1:{stack.ports.sampler}")


def dataset_status(stack: Stack, name: str) -> DatasetStatus:
    with sampler_client(stack) as client:
        return client.status(name)


def collect(stack: Stack, spec: DatasetSpec) -> DatasetStatus:
    """Collect a dataset and wait until it is complete."""
    with sampler_client(stack) as client:
        client.create(spec)
        stack.wait_until(
            lambda: client.status(spec.name).state is DatasetState.COMPLETE,
            COLLECT_SECONDS,
            f"dataset {spec.name}",
        )
        return client.status(spec.name)


def inference_client(stack: Stack, folder: Path) -> InferenceClient:
    """Return a client that uses the token of the running TorchServe."""
    token = stack.execute("inference", "cat", "/run/tokens/inference.json")
    assert token.returncode == 0, token.stderr
    path = folder / "inference.json"
    path.write_text(token.stdout)
    return InferenceClient(f"http://127.0.0.1:{stack.ports.inference}", path)


def stored_views(stack: Stack, dataset: str) -> list[bytes]:
    """Return the photos of the dataset's first place from the store."""
    views: list[str] = json.loads(stack.python("trainer", READ_VIEWS, dataset))
    return [base64.b64decode(view) for view in views]
