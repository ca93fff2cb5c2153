"""TCP ports of the loopback interface."""

import random
import socket
from collections.abc import Iterable

from euguess.errors import PortInUse, ServiceUnavailable

LOOPBACK = "127.0.0.1"
# Below the range from which kernels take the local ports of outgoing connections (32768 and up
# on Linux, 49152 and up on macOS), so that no connection occupies a chosen port before its server.
FREE_PORTS = range(20000, 32000)
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Return True if a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> tuple[int, ...]:
    """Choose distinct free ports at random. Raises ServiceUnavailable if there are too few."""
    found: set[int] = set()
    for _ in range(ATTEMPTS):
        port = random.choice(FREE_PORTS)
        if is_free(port):
            found.add(port)
        if len(found) == count:
            return tuple(found)
    raise ServiceUnavailable(f"No {count} free ports between 20000 and 32000 on {LOOPBACK}.")


def require_free(name: str, ports: Iterable[int]) -> None:
    """Raise PortInUse if a port is in use, and name it."""
    for port in ports:
        if not is_free(port):
            raise PortInUse(
                f"Port {port}, which {name} needs, is taken by another program. Stop that "
                "program or choose another port."
            )
