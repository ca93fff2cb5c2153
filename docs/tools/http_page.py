"""The reference page of the HTTP interfaces."""

from collections.abc import Iterator
from typing import Any, cast
from unittest.mock import MagicMock

from docs.tools.fields import model_table, nested_models
from docs.tools.markdown import code, page, table
from euguess.messages.collection import Budget, DatasetSpec, DatasetStatus, QueueStatus
from euguess.messages.serving import Explanation, Prediction
from services.sampler.app import create_app
from services.sampler.metrics import render_metrics
from services.sampler.responses import Problem

INTRODUCTION = """\
Two services have an HTTP API: the sampler (port 8701) collects datasets and queues trainings, and
TorchServe (port 8703) serves predictions. The sampler also documents its API at `/docs`."""

ACCESS = """\
The sampler answers to loopback names and to the names in `EUGUESS_ALLOWED_HOSTS`. If other machines
can reach it, POST, PUT and DELETE need the header `Authorization: Bearer TOKEN` with the [access
token](../how-to/let-other-machines-in.md). Every error response is `{"detail": "..."}`. A body is
JSON of at most 65,536 bytes that arrives within 10 seconds. Another method than those listed gets
405."""

SERVING = """\
Both endpoints take one JPEG, PNG, WebP or HEIC photo as the body, or a multipart form with one to
eight photos of ONE place. Give each form field a different name: of several fields with the same
name, TorchServe keeps only the last. Every request needs the header
`Authorization: Bearer KEY` with the inference key from `key_file.json`, which TorchServe writes at
startup.

| status | reason |
|---|---|
| 400 | not a photo, a truncated photo, no photo, more than eight photos, or a wrong key |
| 404 | no champion yet |
| 413 | too many bytes or pixels |
| 503 | the workers' queue is full; retry after a pause |"""

METRICS = """\
`GET /metrics` returns the Prometheus text format. TorchServe has its own metrics on its metrics
port, which is not published."""


BODIES = (DatasetSpec, DatasetStatus, Budget, QueueStatus)
MESSAGES = "messages.md"
PLAIN = {"Successful Response": "OK"}


def render() -> str:
    """Return the page."""
    return page(
        "HTTP API",
        INTRODUCTION,
        f"## Sampler\n\n{ACCESS}",
        *_routes(),
        _models(*BODIES),
        f"### Metrics\n\n{METRICS}\n\n{_metrics()}",
        f"## TorchServe\n\n{SERVING}",
        f"### POST `/predictions/euguess`\n\n{_models(Prediction)}",
        f"### POST `/explanations/euguess`\n\n{_models(Explanation)}",
    )


def _routes() -> Iterator[str]:
    schema = create_app(cast(Any, None), cast(Any, None)).openapi()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            text = operation.get("description") or operation["summary"]
            yield f"### {method.upper()} `{path}`\n\n{text}\n\n{_answers(operation)}"


def _answers(operation: dict[str, Any]) -> str:
    rows = (
        (code(status), _body(answer) or PLAIN.get(answer["description"], answer["description"]))
        for status, answer in sorted(operation["responses"].items())
    )
    body = operation.get("requestBody")
    request = f"Body: {_body(body)}.\n\n" if body else ""
    return request + table(("status", "answer"), rows)


def _body(described: dict[str, Any]) -> str:
    schema = described.get("content", {}).get("application/json", {}).get("schema", {})
    prefix = "list of " if schema.get("type") == "array" else ""
    reference = schema.get("items", schema).get("$ref", "")
    name = reference.rpartition("/")[2]
    return f"{prefix}{_link(name)}" if name and name != Problem.__name__ else ""


def _link(model: str) -> str:
    page_of_model = "" if model in {found.__name__ for found in nested_models(BODIES)} else MESSAGES
    return f"[{model}]({page_of_model}#{model.lower()})"


def _models(*models: Any) -> str:
    return "\n\n".join(
        f"#### {model.__name__}\n\n{model_table(model)}" for model in nested_models(models)
    )


def _metrics() -> str:
    text = render_metrics(MagicMock())  # a controller without collections
    helps = (line.split(" ", 3) for line in text.splitlines() if line.startswith("# HELP "))
    return table(("metric", "description"), ((code(name), text) for _, _, name, text in helps))
