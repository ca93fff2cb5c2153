"""Trainings that are asked for over HTTP: checked as far as possible here, then queued."""

import asyncio
from typing import Annotated

from fastapi import Body, FastAPI

from euguess.messages.training import TrainRun
from euguess.training.overrides import parse_table
from services.sampler.publisher import Publisher
from services.sampler.service import Sampler

EXAMPLES = {
    "small": {
        "summary": "A few epochs of a small network",
        "value": {
            "dataset": "demo",
            "recipe": 'name = "first"\nnetwork = "smallnet"\nimage_size = 64\nepochs = 3\n',
            "promote": False,
        },
    },
}
REFUSALS: dict[int | str, dict[str, object]] = {
    404: {"description": "There is no such dataset"},
    413: {"description": "The body is too large"},
    415: {"description": "The body is not JSON"},
    422: {"description": "The recipe is not TOML, or a field is unknown or missing"},
    503: {"description": "The broker or the store is down; nothing was queued"},
}


def add_trainings(app: FastAPI, sampler: Sampler, publisher: Publisher) -> None:
    """Put the route of trainings into an application."""

    @app.post("/trainings", status_code=202, responses=REFUSALS)
    async def start_training(
        order: Annotated[TrainRun, Body(openapi_examples=EXAMPLES)],
    ) -> TrainRun:
        """Queue a training; answers once the broker has it. A run of the same dataset and recipe
        that was stopped or failed goes on. What a recipe may hold the trainer checks: one that it
        refuses becomes a dead letter with the reason."""
        parse_table(order.recipe)
        await sampler.status(order.dataset)
        await sampler.check_writable()  # the broker's client takes longer to tell
        await asyncio.to_thread(publisher.publish_training, order)
        return order
