"""An external S3 server, configured with four variables."""

import json
import secrets
from pathlib import Path

import pytest
from pydantic import SecretStr

from euguess.collection.layout import dataset_prefix
from euguess.messages.collection import DatasetSpec
from euguess.process.programs import SEAWEEDFS, find_program
from euguess.settings import StoreSettings
from euguess.storage import open_store
from tests.compose.clients import collect
from tests.compose.stack import Generations, NewStack, Stack

pytestmark = pytest.mark.timeout(4000)

ENDPOINT = "http://other-store:8333"
BUCKET = "elsewhere"
ACCESS_KEY, SECRET_KEY = "other-account", secrets.token_hex(16)
SPEC = DatasetSpec(name="tiny", quotas={"FR": 2, "PL": 2}, seed=3)


@pytest.fixture
def other_stack(new_stack: NewStack, generations: Generations, tmp_path: Path) -> Stack:
    """A stack whose store is SeaweedFS, in a separate container."""
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {"name": "test", "credentials": credentials, "actions": actions}
    files = {
        "s3.json": json.dumps({"identities": [identity]}),
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    stack = new_stack(
        generations[max(generations)],
        "tests/compose/other-store.yml",
        EUGUESS_S3_ENDPOINT=ENDPOINT,
        EUGUESS_STORE_URL=f"s3://{BUCKET}",
        EUGUESS_S3_ACCESS_KEY_FILE=str(tmp_path / "access_key"),
        EUGUESS_S3_SECRET_KEY_FILE=str(tmp_path / "secret_key"),
        TEST_SEAWEEDFS=str(find_program(SEAWEEDFS).path.resolve()),
        TEST_S3_CONFIG=str(tmp_path / "s3.json"),
    )
    stack.run("up", "--detach", "other-store")
    stack.wait_until_healthy("other-store")
    stack.run("up", "--detach", "sampler", "fetcher")
    stack.wait_until_healthy("sampler", "fetcher")
    return stack


async def test_a_dataset_is_stored_on_another_s3_server(other_stack: Stack) -> None:
    status = collect(other_stack, SPEC)
    assert status.total.stored + status.total.no_coverage == SPEC.requested
    assert status.total.stored > 0
    assert BUCKET in other_stack.logs(other_stack.container("minio-setup"))

    address = other_stack.container("other-store").addresses[0]
    store = await open_store(
        StoreSettings(
            store_url=f"s3://{BUCKET}",
            s3_endpoint=f"http://{address}:8333",
            s3_access_key=ACCESS_KEY,
            s3_secret_key=SecretStr(SECRET_KEY),
        )
    )
    images = [key async for key in store.list(f"{dataset_prefix(SPEC.name)}images/")]
    assert len(images) == status.images
    buckets = other_stack.execute("minio", "ls", "/data").stdout.split()
    assert buckets == []
