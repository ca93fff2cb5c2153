"""Network isolation between the services."""

import json
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(4000)

CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def is_open(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True

with ThreadPoolExecutor(32) as pool:
    answers = list(pool.map(is_open, sys.argv[1:]))
print(json.dumps([target for target, yes in zip(sys.argv[1:], answers) if yes]))
"""
INTERNAL = {
    "minio": (9000, 9001),
    "redis": (6379,),
    "mlflow": (5000,),
    "simulator": (8000,),
    "inference": (8080, 8081, 8082),
}


def open_from(stack: Stack, network: str, targets: list[str]) -> list[str]:
    """Return the addresses that a container on one network can connect to."""
    found: list[str] = json.loads(stack.docker.python(network, CONNECT, *targets))
    return found


@pytest.fixture
def foreign_network(stack: Stack) -> Iterator[str]:
    name = f"{stack.project}-foreign"
    stack.docker.run("network", "create", name)
    yield name
    stack.docker.run("network", "rm", name)


def test_exactly_four_ports_are_published_and_on_loopback(stack: Stack) -> None:
    published = {c.service: c.published for c in stack.running() if c.published}
    ports = stack.ports
    assert published == {
        "dashboard": {"8000/tcp": [("127.0.0.1", ports.dashboard)]},
        "sampler": {"8000/tcp": [("127.0.0.1", ports.sampler)]},
        "inference": {"8080/tcp": [("127.0.0.1", ports.inference)]},
        "minio": {"9001/tcp": [("127.0.0.1", ports.minio_console)]},
    }


def test_services_are_unreachable_from_other_networks(stack: Stack, foreign_network: str) -> None:
    targets = [
        f"{address}:{port}"
        for service, ports in INTERNAL.items()
        for address in stack.container(service).addresses
        for port in ports
    ]
    assert len(targets) >= 8
    assert open_from(stack, foreign_network, targets) == []


def test_the_backend_reaches_the_stores_but_not_the_management_port(stack: Stack) -> None:
    targets = [f"{service}:{port}" for service, ports in INTERNAL.items() for port in ports]
    closed = {"inference:8081", "inference:8082"}
    found = open_from(stack, f"{stack.project}_backend", targets)
    assert set(found) == set(targets) - closed


def test_the_networks_of_the_published_services_do_not_reach_the_stores(stack: Stack) -> None:
    targets = [
        f"{address}:{port}"
        for service in ("redis", "mlflow", "simulator")
        for address in stack.container(service).addresses
        for port in INTERNAL[service]
    ]
    for network in ("frontend", "outbound", "console"):
        assert open_from(stack, f"{stack.project}_{network}", targets) == [], network


def test_only_the_backend_has_no_internet_access(stack: Stack) -> None:
    names = sorted(stack.networks())
    internal = {f["Name"] for f in stack.docker.inspect(*names, kind="network") if f["Internal"]}
    assert internal == {f"{stack.project}_backend"}
    only_backend = [c.service for c in stack.running() if len(c.addresses) == 1]
    assert {"redis", "mlflow", "simulator"} <= set(only_backend)
