"""Which host names a service answers to, and which addresses count as this machine."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Names that a request may address; a web page that rebinds its own name to us has another.

    `allows_addresses` also allows every IP address, to which no name can be rebound.
    """

    names: frozenset[str] = frozenset()
    allows_addresses: bool = False

    def allow(self, host: str) -> bool:
        """Check the value of a Host header, with or without a port."""
        name = host_name(host)
        is_address = self.allows_addresses and _is_address(name)
        return name in LOOPBACK_NAMES or is_address or not self.names.isdisjoint((name, host))

    def allow_origin(self, origin: str, host: str) -> bool:
        """Check that a page of this origin is our own: same host and port, or an allowed name.

        A proxy in front may change the Host header, but not the page's origin.
        """
        address = urlsplit(origin).netloc.lower()
        return bool(address) and (address == host.lower() or address in self.names)


def host_name(host: str) -> str:
    """Return the name or address of a Host header without its port; "" if it is not valid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(address: str) -> bool:
    """Check that only this machine can reach an address on which a service listens."""
    address = address.strip("[]")
    return address == "localhost" or (_is_address(address) and ip_address(address).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
