"""Base of the HTTP clients, and parsing of error responses."""

from typing import Self

import httpx
from pydantic import SecretStr

TIMEOUT_SECONDS = 30.0


class Client:
    """An HTTP client, which sends a token if it has one. Leaving its context closes it."""

    def __init__(
        self,
        base_url: str,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        token: SecretStr | None = None,
    ) -> None:
        secret = token.get_secret_value() if token else ""
        self._http = httpx.Client(
            base_url=base_url,
            timeout=timeout_seconds,
            transport=transport,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
        )

    @property
    def url(self) -> str:
        """Address of the service."""
        return str(self._http.base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()


def reason(answer: httpx.Response) -> str:
    """Return the reason that an error response gives, or its status."""
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    if isinstance(body, dict):
        for field in ("detail", "reason", "message", "error"):
            if body.get(field):
                return str(body[field])
    return f"HTTP {answer.status_code}"
