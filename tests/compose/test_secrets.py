"""Secrets are only in files, and wrong ones are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(4000)

READ_FILES = """
import json, pathlib, sys
print(json.dumps({path.name: path.read_text() for path in pathlib.Path("/secrets").iterdir()}))
"""
TRY_STORE = """
import sys
from minio import Minio, S3Error
from euguess.settings import StoreSettings
settings = StoreSettings.load()
user, password = settings.s3_access_key, settings.s3_secret_key.get_secret_value()
keys = {"right": (user, password), "wrong": (user, "wrong"), "none": (None, None)}[sys.argv[1]]
client = Minio("minio:9000", *keys, secure=False, region="us-east-1")
try:
    print(len(list(client.list_objects(sys.argv[2]))) > 0)
except S3Error as error:
    print(error.code)
"""
SHORTEST = 8
KEY_FILE = "/var/lib/euguess/inference/key_file.json"


@pytest.fixture(scope="module")
def values(stack: Stack) -> dict[str, str]:
    """All secrets of the running stack by name."""
    mount = ("--volume", f"{stack.project}_secrets:/secrets:ro", "--user", "0", "--network", "none")
    reader = ("run", "--rm", *mount, "--entrypoint", "python", "euguess/setup", "-c", READ_FILES)
    found: dict[str, str] = json.loads(stack.docker.run(*reader))
    keys = json.loads(stack.execute("inference", "cat", KEY_FILE).stdout)
    found |= {f"torchserve {name}": key["key"] for name, key in keys.items()}
    return {name: value.strip() for name, value in found.items() if value.strip()}


def test_missing_secrets_are_generated_and_given_ones_are_used(
    values: dict[str, str], given_secrets: dict[str, Path]
) -> None:
    made = {"minio_root_user", "minio_root_password", "s3_access_key", "s3_secret_key"}
    assert made | {"redis_url", "simulator_key", "access_token", "torchserve management"} <= set(
        values
    )
    assert min(map(len, values.values())) >= SHORTEST
    for variable, path in given_secrets.items():
        name = variable.removeprefix("EUGUESS_").removesuffix("_FILE").lower()
        assert values[name] == path.read_text().strip()


def leaks(values: dict[str, str], places: dict[str, str]) -> list[str]:
    return [
        f"{name} in {place}"
        for place, text in places.items()
        for name, value in values.items()
        if value in text
    ]


def container_facts(stack: Stack) -> dict[str, str]:
    return {c.service: json.dumps(c.facts, ensure_ascii=False) for c in stack.containers()}


def container_logs(stack: Stack) -> dict[str, str]:
    return {f"{c.service} {c.id[:12]}": stack.logs(c) for c in stack.containers()}


def image_histories(stack: Stack) -> dict[str, str]:
    images = {c.facts["Config"]["Image"] for c in stack.containers()}
    return {
        image: stack.docker.run("history", "--no-trunc", image)
        + json.dumps(stack.docker.inspect(image, kind="image"), ensure_ascii=False)
        for image in images
    }


@pytest.mark.parametrize("look", [container_facts, container_logs, image_histories])
def test_secrets_are_not_visible_in_docker(
    stack: Stack, values: dict[str, str], look: Callable[[Stack], dict[str, str]]
) -> None:
    places = look(stack)
    assert len(places) >= 10
    assert leaks(values, places) == []


def test_secrets_are_not_in_arguments_or_environments(stack: Stack, values: dict[str, str]) -> None:
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true"
    places = {c.service: stack.docker.run("exec", c.id, "sh", "-c", look) for c in stack.running()}
    # MinIO reads its root account from files, then sets it in its own environment.
    assert leaks(values, places) == []


def test_a_container_reads_only_the_secrets_of_its_groups(stack: Stack) -> None:
    look = "cd /run/secrets 2>/dev/null && for f in *; do [ -r $f ] && echo $f; done; true"
    redis, store = ["redis_password", "redis_url"], ["s3_access_key", "s3_secret_key"]
    minio = ["minio_root_password", "minio_root_user"]
    google = ["google_key", "google_signing_secret"]
    expected = {
        "redis": redis,
        "minio": minio,
        "sampler": ["access_token", *redis, *store],
        "trainer": ["access_token", *redis, *store],
        "fetcher": google + redis + store + ["simulator_key"],
        "simulator": ["simulator_key"],
        "mlflow": [],
        "dashboard": ["access_token", *store],
        "inference": [],
    }
    found = {name: stack.execute(name, "sh", "-c", look).stdout.split() for name in expected}
    assert found == expected


@pytest.mark.parametrize(
    ("options", "reason"), [([], "NOAUTH"), (["-a", "wrong"], "WRONGPASS")], ids=["none", "wrong"]
)
def test_redis_refuses_a_wrong_password(stack: Stack, options: list[str], reason: str) -> None:
    answer = stack.execute("redis", "redis-cli", *options, "PING")
    assert reason in answer.stdout + answer.stderr
    assert "PONG" not in answer.stdout


@pytest.mark.parametrize(
    ("key", "bucket", "reason"),
    [
        ("right", "euguess", "True"),
        ("wrong", "euguess", "SignatureDoesNotMatch"),
        ("none", "euguess", "AccessDenied"),
        ("right", "another-bucket", "AccessDenied"),
    ],
    ids=["right", "wrong", "none", "another bucket"],
)
def test_the_store_admits_only_its_account_and_only_to_its_bucket(
    stack: Stack, key: str, bucket: str, reason: str
) -> None:
    assert stack.python("sampler", TRY_STORE, key, bucket).strip() == reason
