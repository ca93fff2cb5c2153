"""The sampler's HTTP interface: validates, makes durable, answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from redis.exceptions import RedisError

from euguess.errors import DatasetConflict, DatasetNotFound, EUGuessError, InvalidInput
from euguess.geography.countries import COUNTRIES, PRESETS
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)
from services.sampler.bodies import SmallJsonBodies
from services.sampler.metrics import render_metrics
from services.sampler.publisher import Publisher
from services.sampler.service import Sampler
from services.sampler.trainings import add_trainings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

EXAMPLES = {
    "small": {
        "summary": "Two countries from the simulator",
        "value": {"name": "demo", "quotas": {"FR": 40, "PL": 40}},
    },
    "one view": {
        "summary": "One view of each place, far from borders",
        "value": {"name": "inland", "quotas": {"DE": 100}, "headings": [0], "border_buffer_km": 10},
    },
}
REFUSALS: dict[int | str, dict[str, object]] = {
    409: {"description": "Another specification has this name"},
    413: {"description": "The body is too large"},
    415: {"description": "The body is not JSON"},
    422: {"description": "The specification is not valid"},
    503: {"description": "Redis or the store is down or full; nothing was accepted"},
}

_STATUS_CODES: dict[type[EUGuessError], int] = {
    DatasetNotFound: 404,
    DatasetConflict: 409,
    InvalidInput: 422,
}


def create_app(sampler: Sampler, publisher: Publisher, lifespan: Lifespan | None = None) -> FastAPI:
    """The application over a sampler; `lifespan` runs its loop."""
    app = FastAPI(
        title="EUGuess sampler",
        description="Collects datasets of street-level photos at random places, and queues "
        "trainings on them.",
        lifespan=lifespan or _nothing,
    )
    _add_datasets(app, sampler)
    add_trainings(app, sampler, publisher)
    _add_operations(app, sampler)
    _add_errors(app)
    app.add_middleware(SmallJsonBodies)
    return app


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def _add_datasets(app: FastAPI, sampler: Sampler) -> None:
    @app.post("/datasets", status_code=202, responses=REFUSALS)
    async def create_dataset(
        spec: Annotated[DatasetSpec, Body(openapi_examples=EXAMPLES)],
    ) -> DatasetStatus:
        """Collect a dataset. Answers once the request is durable; the same one again is harmless
        and resumes a stopped or paused collection."""
        return await sampler.create(spec)

    @app.get("/datasets")
    async def list_datasets() -> list[DatasetStatus]:
        """All datasets, imported ones included."""
        return await sampler.statuses()

    @app.get("/datasets/{name}")
    async def read_dataset(name: str) -> DatasetStatus:
        """Counts by country and status: requested = stored + no_coverage + failed + pending."""
        return await sampler.status(name)

    @app.put("/datasets/{name}/budget", responses=REFUSALS)
    async def set_budget(name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget; a collection that it paused goes on. Without numbers: no limit."""
        return await sampler.set_budget(name, budget)

    @app.delete("/datasets/{name}")
    async def stop_dataset(name: str) -> DatasetStatus:
        """Stop a collection; what is stored stays."""
        return await sampler.stop(name)


def _add_operations(app: FastAPI, sampler: Sampler) -> None:
    @app.get("/countries")
    async def list_countries() -> dict[str, Any]:
        """Known countries, and the presets with their quotas in label order."""
        return {
            "countries": {country.code: country.name for country in COUNTRIES},
            "presets": {preset.name: preset.quotas for preset in PRESETS.values()},
        }

    @app.get("/dead-letters")
    async def list_dead_letters(limit: int = 100) -> list[DeadLetter]:
        """Messages and slots that were given up, the newest first."""
        return await sampler.dead_letters(min(max(limit, 1), 1000))

    @app.get("/queues")
    async def read_queues() -> QueueStatus:
        """Messages that wait for workers, slots under way, and how many dead letters there are."""
        return await sampler.queues()

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readiness(response: Response) -> dict[str, str]:
        """Redis and the store answer, and the collection loop makes progress; else 503."""
        troubles = await sampler.troubles()
        response.status_code = 503 if troubles else 200
        return troubles or {"status": "ready"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Prometheus metrics."""
        return PlainTextResponse(render_metrics(sampler.conductor))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "; ".join(map(_sentence, error.errors()))}, 422)

    @app.exception_handler(EUGuessError)
    async def known(_: Request, error: EUGuessError) -> JSONResponse:
        codes = (code for kind, code in _STATUS_CODES.items() if isinstance(error, kind))
        return JSONResponse({"detail": str(error)}, next(codes, 503))

    @app.exception_handler(RedisError)
    async def redis_down(_: Request, error: RedisError) -> JSONResponse:
        kind = type(error).__name__
        detail = f"Redis does not accept the request ({kind}); nothing was started. Try again."
        return JSONResponse({"detail": detail}, 503)


def _sentence(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "The body is not JSON."
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "[key]"))
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
