"""Routes that accept only small JSON bodies which arrive in time."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.requests import ClientDisconnect

MAX_BODY_BYTES = 65_536  # a specification of all countries has 2 kB
BODY_SECONDS = 10.0  # for a body to arrive
CLOSE = {"Connection": "close"}  # nothing else of this request is read


class SmallJsonRequest(Request):
    """A request whose body is read with limits, whatever length it declares."""

    async def body(self) -> bytes:
        """Return the body. Raises HTTPException with 408, 413 or 415."""
        if not hasattr(self, "_body"):
            self._require_json()
            self._body = await self._read_in_time()
        return self._body

    async def json(self) -> Any:
        """Parse the body. Raises json.JSONDecodeError, also for deep nesting and huge numbers."""
        text = await self.body()
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(type(error).__name__, "", 0) from None

    def _require_json(self) -> None:
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            detail = "Send JSON with Content-Type: application/json."
            raise HTTPException(415, detail, headers=CLOSE)

    async def _read_in_time(self) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read()
        except TimeoutError:
            detail = f"The body did not arrive within {BODY_SECONDS:g} seconds."
            raise HTTPException(408, detail, headers=CLOSE) from None
        except ClientDisconnect:  # there is nobody to answer to
            raise HTTPException(400, "The client closed the connection.") from None

    async def _read(self) -> bytes:
        body = bytearray()
        self._require_small(int(self.headers.get("content-length", 0)))
        async for chunk in self.stream():
            body += chunk
            self._require_small(len(body))
        return bytes(body)

    def _require_small(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            detail = f"The body is larger than {MAX_BODY_BYTES} bytes."
            raise HTTPException(413, detail, headers=CLOSE)


class SmallJsonRoute(APIRoute):
    """Reads the body only once path and method have matched, so that others get 404 or 405."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which gets a SmallJsonRequest."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            return await handle(SmallJsonRequest(request.scope, request.receive))

        return handle_small


def strictly(model: type[BaseModel]) -> BeforeValidator:
    """Validate a parsed body as the schema says: a number is neither a text nor true."""

    def check(value: Any) -> BaseModel:
        try:
            return model.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False)) from None

    return BeforeValidator(check)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
