"""Who may use a service, from the settings and the address on which it listens."""

import hmac
from dataclasses import dataclass, field

from pydantic import SecretStr

from euguess.access.hosts import AllowedHosts, is_loopback
from euguess.errors import InvalidInput
from euguess.settings import AccessSettings


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Names that a service answers to, and the token that changes need; None: no token."""

    hosts: AllowedHosts = field(default_factory=AllowedHosts)
    token: SecretStr | None = None

    def accepts(self, token: str) -> bool:
        """Compare a token in constant time. True if none is needed."""
        return self.token is None or _is_equal(token, self.token.get_secret_value())


def access_policy(settings: AccessSettings, host: str) -> AccessPolicy:
    """Return the policy of a service that listens on `host`.

    Raises InvalidInput if others can reach the service and there is no token.
    """
    is_private = is_loopback(settings.published_on or host)
    if not is_private and not settings.access_token.get_secret_value():
        raise InvalidInput(
            f"Other machines can reach {settings.published_on or host}, so changes need a token. "
            "Set EUGUESS_ACCESS_TOKEN_FILE to a file that holds one (openssl rand -hex 20), here "
            "and for the programs that use this service, or listen on 127.0.0.1."
        )
    names = frozenset(settings.allowed_hosts.replace(",", " ").lower().split())
    hosts = AllowedHosts(names, allows_addresses=not is_private)
    return AccessPolicy(hosts, None if is_private else settings.access_token)


def _is_equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
