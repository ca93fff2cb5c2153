"""The reference page of messages and stored records."""

import inspect

from docs.tools.fields import model_table, nested_models
from docs.tools.markdown import page
from euguess.messages.collection import (
    DeadLetter,
    FetchLocations,
    LocationRecord,
    SlotOutcome,
)
from euguess.messages.queues import Queue, TaskName
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews, TrainRun

MODELS = (FetchLocations, SlotOutcome, TrainRun, DeadLetter, LocationRecord, ModelCard, SeenViews)

INTRODUCTION = """\
Messages and records are JSON. Sender and receiver use the same pydantic class of
`euguess.messages`, and both validate. New fields are optional; `schema_version` changes when the
meaning of a field changes. An invalid message becomes a dead letter: it is never retried and never
dropped. The bodies of HTTP requests and responses are in [HTTP API](http-api.md)."""


def render() -> str:
    """Return the page."""
    queues = "\n".join(
        f"- queue `{queue}`, task `{task}`" for queue, task in zip(Queue, TaskName, strict=True)
    )
    sections = (
        f"## {model.__name__}\n\n{inspect.getdoc(model)}\n\n{model_table(model)}"
        for model in nested_models(MODELS)
    )
    return page("Messages and records", INTRODUCTION, f"## Queues\n\n{queues}", *sections)
