"""HTTP interface of the sampler: validate, call the service, map errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from redis.exceptions import RedisError

from euguess.errors import (
    DamagedRecord,
    DatasetConflict,
    DatasetNotFound,
    EUGuessError,
    InvalidInput,
)
from euguess.geography.countries import COUNTRIES, PRESETS
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)
from euguess.messages.training import TrainRun
from euguess.training.overrides import parse_table
from services.sampler.bodies import SmallJsonBodies
from services.sampler.metrics import render_metrics
from services.sampler.publisher import Publisher
from services.sampler.service import SamplerService

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DATASET_EXAMPLES = {
    "small": {
        "summary": "Two countries from the simulator",
        "value": {"name": "demo", "quotas": {"FR": 40, "PL": 40}},
    },
    "one view": {
        "summary": "One view per location, far from borders",
        "value": {"name": "inland", "quotas": {"DE": 100}, "headings": [0], "border_buffer_km": 10},
    },
}
TRAINING_EXAMPLES = {
    "small": {
        "summary": "A few epochs of a small network",
        "value": {
            "dataset": "demo",
            "recipe": 'name = "first"\nnetwork = "smallnet"\nimage_size = 64\nepochs = 3\n',
            "promote": False,
        },
    },
}

Responses = dict[int | str, dict[str, object]]
_BODY_ERRORS: Responses = {
    413: {"description": "The body is too large"},
    415: {"description": "The body is not JSON"},
}
DATASET_ERRORS: Responses = {
    409: {"description": "A dataset with this name and another specification exists"},
    **_BODY_ERRORS,
    422: {"description": "The specification is not valid"},
    503: {"description": "Redis or the store is down or full; nothing was accepted"},
}
TRAINING_ERRORS: Responses = {
    404: {"description": "There is no such dataset"},
    **_BODY_ERRORS,
    422: {"description": "The recipe is not TOML, or a field is unknown or missing"},
    503: {"description": "The broker or the store is down; nothing was queued"},
}

_STATUS_CODES: dict[type[EUGuessError], int] = {
    DatasetNotFound: 404,
    DatasetConflict: 409,
    InvalidInput: 422,
    DamagedRecord: 500,
}


def create_app(
    service: SamplerService, publisher: Publisher, lifespan: Lifespan | None = None
) -> FastAPI:
    """Build the application; `lifespan` runs the collection loop."""
    app = FastAPI(
        title="EUGuess sampler",
        description="Collects datasets of street-level photos at random places, and queues "
        "training runs on them.",
        lifespan=lifespan or _nothing,
    )
    _add_datasets(app, service)
    _add_trainings(app, service, publisher)
    _add_operations(app, service)
    _add_errors(app)
    app.add_middleware(SmallJsonBodies)
    return app


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def _add_datasets(app: FastAPI, service: SamplerService) -> None:
    @app.post("/datasets", status_code=202, responses=DATASET_ERRORS)
    async def create_dataset(
        spec: Annotated[DatasetSpec, Body(openapi_examples=DATASET_EXAMPLES)],
    ) -> DatasetStatus:
        """Collect a dataset. Responds once the request is stored. Sending the same request again
        resumes a stopped or paused collection."""
        return await service.create(spec)

    @app.get("/datasets")
    async def list_datasets() -> list[DatasetStatus]:
        """List all datasets, including imported ones."""
        return await service.statuses()

    @app.get("/datasets/{name}")
    async def read_dataset(name: str) -> DatasetStatus:
        """Return counts by country: requested = stored + no_coverage + failed + pending."""
        return await service.status(name)

    @app.put("/datasets/{name}/budget", responses=DATASET_ERRORS)
    async def set_budget(name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget. A collection that the old one paused resumes. Without numbers,
        spending is not limited."""
        return await service.set_budget(name, budget)

    @app.delete("/datasets/{name}")
    async def stop_dataset(name: str) -> DatasetStatus:
        """Stop a collection and keep its photos."""
        return await service.stop(name)


def _add_trainings(app: FastAPI, service: SamplerService, publisher: Publisher) -> None:
    @app.post("/trainings", status_code=202, responses=TRAINING_ERRORS)
    async def start_training(
        order: Annotated[TrainRun, Body(openapi_examples=TRAINING_EXAMPLES)],
    ) -> TrainRun:
        """Queue a training run. Responds once the broker has the message. A run of the same
        dataset and recipe that was stopped or failed is resumed. The trainer validates the recipe;
        one that it rejects becomes a dead letter with the reason."""
        parse_table(order.recipe)
        await service.status(order.dataset)
        await service.check_writable()  # fails faster than the broker's client
        await asyncio.to_thread(publisher.publish_training, order)
        return order


def _add_operations(app: FastAPI, service: SamplerService) -> None:
    @app.get("/countries")
    async def list_countries() -> dict[str, Any]:
        """List the known countries, and the presets with their quotas in label order."""
        return {
            "countries": {country.code: country.name for country in COUNTRIES},
            "presets": {preset.name: preset.quotas for preset in PRESETS.values()},
        }

    @app.get("/dead-letters")
    async def list_dead_letters(limit: int = 100) -> list[DeadLetter]:
        """List messages and slots that could not be processed, newest first."""
        return await service.dead_letters(min(max(limit, 1), 1000))

    @app.get("/queues")
    async def read_queues() -> QueueStatus:
        """Count queued messages, slots in flight and dead letters."""
        return await service.queues()

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        """Check that the process responds."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readiness(response: Response) -> dict[str, str]:
        """Check that Redis and the store respond and that the collection loop makes progress."""
        problems = await service.problems()
        response.status_code = 503 if problems else 200
        return problems or {"status": "ready"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Return Prometheus metrics."""
        return PlainTextResponse(render_metrics(service.controller))


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
