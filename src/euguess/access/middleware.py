"""ASGI middleware that keeps foreign web pages and, where needed, strangers out."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from euguess.access.policy import AccessPolicy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

READ_METHODS = ("GET", "HEAD", "OPTIONS")
SHOWN_CHARACTERS = 100  # of a refused name
MAX_TOKEN_BYTES = 4096

SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class OwnPagesOnly:
    """Refuses other host names, and changes and WebSockets from the pages of other sites."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._hosts = policy.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, send, 403, refusal)

    def _refusal(self, scope: Scope) -> str | None:
        host, origin = _header(scope, b"host"), _header(scope, b"origin")
        if not self._hosts.allow(host):
            return _advice("answers to no", "host name", host)
        if origin and not _only_reads(scope) and not self._hosts.allow_origin(origin, host):
            return _advice("takes no changes from pages of an", "origin", origin)
        return None


class TokenForChanges:
    """Refuses changes without the policy's token, if it has one."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _only_reads(scope) or self._policy.accepts(_token(scope)):
            await self._app(scope, receive, send)
            return
        text = "This needs the access token: send it as Authorization: Bearer TOKEN."
        await _refuse(scope, send, 401, text, [(b"www-authenticate", b"Bearer")])


class SecurityHeaders:
    """Adds headers to every response; they replace headers of the same names."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = [(n.lower().encode(), v.encode()) for n, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._added_to(message.get("headers", ()))}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _added_to(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        ours = {name for name, _ in self._headers}
        return [header for header in headers if header[0].lower() not in ours] + self._headers


def _only_reads(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in READ_METHODS


def _header(scope: Scope, name: bytes) -> str:
    """Return a header; "" if it is missing or sent more than once."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _token(scope: Scope) -> str:
    scheme, _, token = _header(scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and len(token) <= MAX_TOKEN_BYTES else ""


def _advice(verb: str, kind: str, value: str) -> str:
    shown = value[:SHOWN_CHARACTERS]
    return (
        f"This service {verb} {kind} {shown!r}. If it is your own, add its name to "
        "EUGUESS_ALLOWED_HOSTS and start the service again."
    )


async def _refuse(
    scope: Scope, send: Send, status: int, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer without reading the body; closing a WebSocket before it is accepted means 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "forbidden"})
        return
    body = json.dumps({"detail": detail}).encode()
    length = str(len(body)).encode()
    described = [(b"content-type", b"application/json"), (b"content-length", length)]
    closing = [*described, (b"connection", b"close"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": closing})
    await send({"type": "http.response.body", "body": body})
