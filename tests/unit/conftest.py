"""Unit tests reach no network; loopback stays open for in-process servers."""

import pytest
from pytest_socket import socket_allow_hosts


@pytest.fixture(autouse=True)
def _no_network() -> None:
    # pytest-socket lifts the restriction after each test.
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
