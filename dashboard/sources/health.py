"""Health checks of all services, run concurrently."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.connections import Connections
from euguess.collection.layout import DATASETS
from euguess.errors import EUGuessError

WAIT_SECONDS = 1.5
KEPT_SECONDS = 4.0
UNKNOWN = "Unknown, because the sampler does not respond."
PARTS = {"redis": "Redis", "store": "Store", "collection": "Collection loop"}


@dataclass(frozen=True)
class ServiceHealth:
    """The health of one service; problem is None when it is healthy."""

    name: str
    problem: str | None
    container: str


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_health(_connections: Connections) -> list[ServiceHealth]:
    """Check sampler, Redis (through the sampler), store, MLflow and TorchServe, within 1.5 s."""
    pool = ThreadPoolExecutor()
    sampler = pool.submit(_connections.sampler.troubles)
    store = pool.submit(_connections.store.run, lambda s: s.exists(DATASETS + "ready"))
    mlflow = pool.submit(_connections.registry.check)
    torchserve = pool.submit(_connections.inference.check)
    wait((sampler, store, mlflow, torchserve), WAIT_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        *_sampler_health(sampler),
        ServiceHealth("Store", _problem(store), "minio"),
        ServiceHealth("MLflow", _problem(mlflow), "mlflow"),
        ServiceHealth("TorchServe", _problem(torchserve), "inference"),
    ]


def _sampler_health(response: Future[dict[str, str]]) -> list[ServiceHealth]:
    """Return the health of sampler and Redis; the sampler responds even if Redis is down."""
    problem = _problem(response)
    if problem is not None:
        return [
            ServiceHealth("Sampler", problem, "sampler"),
            ServiceHealth("Redis", UNKNOWN, "redis"),
        ]
    found = response.result()
    own = [f"{PARTS.get(part, part)}: {text}." for part, text in found.items() if part != "redis"]
    redis = found.get("redis")
    return [
        ServiceHealth("Sampler", " ".join(own) or None, "sampler"),
        ServiceHealth("Redis", redis and f"Redis {redis}.", "redis"),
    ]


def _problem(response: Future[Any]) -> str | None:
    if not response.done():
        return f"No response within {WAIT_SECONDS} s."
    error = response.exception()
    if error is not None and not isinstance(error, EUGuessError):
        raise error
    return None if error is None else str(error)
