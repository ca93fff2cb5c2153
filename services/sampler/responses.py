"""The error responses that the API document lists for each route."""

from typing import Any

from pydantic import BaseModel, Field

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """Body of every error response."""

    detail: str = Field(description="What is wrong and what to do")


def _problems(texts: dict[int, str]) -> Responses:
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


READS = _problems({403: "The request names a foreign host"})
CHANGES = READS | _problems(
    {
        401: "The access token is missing or wrong",
        403: "The request names a foreign host, or comes from a page of another site",
    }
)
BODIES = _problems(
    {
        408: "The body did not arrive in time",
        413: "The body is too large",
        415: "The body is not JSON",
        422: "The body does not follow its schema, or the values do not fit together",
    }
)
STORE_DOWN = _problems({503: "The store is down; send the same request again"})
DAMAGED = _problems({500: "A stored record of the dataset is damaged"})
NAMED = (
    STORE_DOWN
    | DAMAGED
    | _problems({404: "There is no such dataset", 422: "The name of the dataset is not valid"})
)
DATASETS = (
    CHANGES
    | BODIES
    | DAMAGED
    | _problems(
        {
            409: "A dataset with this name and another specification exists",
            503: "Redis or the store is down or full; send the same request again",
        }
    )
)
BUDGETS = (
    CHANGES
    | NAMED
    | BODIES
    | _problems({503: "Redis or the store is down or full; `detail` says what is stored"})
)
TRAININGS = (
    CHANGES
    | NAMED
    | BODIES
    | _problems(
        {
            429: "Too many training runs are queued",
            503: "The broker or the store is down; nothing was queued",
        }
    )
)
PARAMETERS = _problems({422: "A parameter is not valid"})
QUEUES = READS | _problems({503: "Redis is down"})
# Of a route whose own responses are plain text.
METRICS: Responses = {
    status: {
        "description": answer["description"],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, answer in READS.items()
}
READINESS: Responses = READS | {
    503: {"model": dict[str, str], "description": "What is wrong, by component"}
}
