"""HTTP interface of the sampler: validate, call the service, map errors."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from redis.exceptions import RedisError

from euguess.access.middleware import (
    SECURITY_HEADERS,
    OwnPagesOnly,
    SecurityHeaders,
    TokenForChanges,
)
from euguess.access.policy import AccessPolicy
from euguess.errors import (
    DamagedRecord,
    DatasetConflict,
    DatasetNotFound,
    EUGuessError,
    InvalidInput,
    QueueFull,
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
from services.sampler.bodies import SmallJsonRoute, strictly
from services.sampler.metrics import render_metrics
from services.sampler.responses import (
    BUDGETS,
    CHANGES,
    DATASETS,
    METRICS,
    NAMED,
    PARAMETERS,
    QUEUES,
    READINESS,
    READS,
    STORE_DOWN,
    TRAININGS,
)
from services.sampler.service import SamplerService
from services.sampler.trainings import Trainings

Dependencies = Sequence[params.Depends]
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

HEADERS = {**SECURITY_HEADERS, "Content-Security-Policy": "frame-ancestors 'none'"}
# Describes the token in the API document; TokenForChanges checks it before a body is read.
TOKEN = [Depends(HTTPBearer(auto_error=False, description="The access token"))]

_STATUS_CODES: dict[type[EUGuessError], int] = {
    DatasetNotFound: 404,
    DatasetConflict: 409,
    InvalidInput: 422,
    DamagedRecord: 500,
    QueueFull: 429,
}


def create_app(
    service: SamplerService,
    trainings: Trainings,
    policy: AccessPolicy | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """Build the application; `lifespan` runs the collection loop.

    Without a policy it answers to loopback names only, and changes need no token.
    """
    app = FastAPI(
        title="EUGuess sampler",
        description="Collects datasets of street-level photos at random places, and queues "
        "training runs on them.",
        lifespan=lifespan or _nothing,
    )
    policy = policy or AccessPolicy()
    token = TOKEN if policy.token else []
    routes = APIRouter(route_class=SmallJsonRoute)
    _add_datasets(routes, service, token)
    _add_trainings(routes, trainings, token)
    _add_operations(routes, service)
    app.include_router(routes)
    _add_errors(app)
    _add_access(app, policy)
    return app


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def _add_access(app: FastAPI, policy: AccessPolicy) -> None:
    """Add the checks of access; the last one added sees a request first."""
    app.add_middleware(TokenForChanges, policy=policy)
    app.add_middleware(OwnPagesOnly, policy=policy)
    app.add_middleware(SecurityHeaders, headers=HEADERS)


def _add_datasets(routes: APIRouter, service: SamplerService, token: Dependencies) -> None:
    @routes.post("/datasets", status_code=202, responses=DATASETS, dependencies=token)
    async def create_dataset(
        spec: Annotated[
            DatasetSpec, strictly(DatasetSpec), Body(openapi_examples=DATASET_EXAMPLES)
        ],
    ) -> DatasetStatus:
        """Collect a dataset. Responds once the request is stored. Sending the same request again
        resumes a stopped or paused collection."""
        return await service.create(spec)

    @routes.get("/datasets", responses=READS | STORE_DOWN)
    async def list_datasets() -> list[DatasetStatus]:
        """List all datasets, including imported ones."""
        return await service.statuses()

    @routes.get("/datasets/{name}", responses=READS | NAMED)
    async def read_dataset(name: str) -> DatasetStatus:
        """Return counts by country: requested = stored + no_coverage + failed + pending."""
        return await service.status(name)

    @routes.put("/datasets/{name}/budget", responses=BUDGETS, dependencies=token)
    async def set_budget(name: str, budget: Annotated[Budget, strictly(Budget)]) -> DatasetStatus:
        """Replace the budget. A collection that the old one paused resumes. Without numbers,
        spending is not limited."""
        return await service.set_budget(name, budget)

    @routes.delete("/datasets/{name}", responses=CHANGES | NAMED, dependencies=token)
    async def stop_dataset(name: str) -> DatasetStatus:
        """Stop a collection and keep its photos."""
        return await service.stop(name)


def _add_trainings(routes: APIRouter, trainings: Trainings, token: Dependencies) -> None:
    @routes.post("/trainings", status_code=202, responses=TRAININGS, dependencies=token)
    async def start_training(
        order: Annotated[TrainRun, strictly(TrainRun), Body(openapi_examples=TRAINING_EXAMPLES)],
    ) -> TrainRun:
        """Queue a training run. Responds once the broker has the message. A run of the same
        dataset and recipe that was stopped or failed is resumed. The trainer validates the recipe;
        one that it rejects becomes a dead letter with the reason."""
        await trainings.queue(order)
        return order


def _add_operations(routes: APIRouter, service: SamplerService) -> None:
    @routes.get("/countries", responses=READS)
    async def list_countries() -> dict[str, Any]:
        """List the known countries, and the presets with their quotas in label order."""
        return {
            "countries": {country.code: country.name for country in COUNTRIES},
            "presets": {preset.name: preset.quotas for preset in PRESETS.values()},
        }

    @routes.get("/dead-letters", responses=QUEUES | PARAMETERS)
    async def list_dead_letters(limit: int = 100) -> list[DeadLetter]:
        """List messages and slots that could not be processed, newest first."""
        return await service.dead_letters(min(max(limit, 1), 1000))

    @routes.get("/queues", responses=QUEUES)
    async def read_queues() -> QueueStatus:
        """Count queued messages, slots in flight and dead letters."""
        return await service.queues()

    @routes.get("/healthz", responses=READS)
    async def health() -> dict[str, str]:
        """Check that the process responds."""
        return {"status": "ok"}

    @routes.get("/readyz", responses=READINESS)
    async def readiness(response: Response) -> dict[str, str]:
        """Check that Redis and the store respond and that the collection loop makes progress."""
        problems = await service.problems()
        response.status_code = 503 if problems else 200
        return problems or {"status": "ready"}

    @routes.get("/metrics", response_class=PlainTextResponse, responses=METRICS)
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
        detail = f"Redis does not accept the request ({kind}). Send the same request again."
        return JSONResponse({"detail": detail}, 503)


def _sentence(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "The body is not JSON."
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "[key]"))
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
