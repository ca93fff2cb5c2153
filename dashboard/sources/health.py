"""Which services answer, asked all at once."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.connections import Connections
from euguess.collection.layout import DATASETS
from euguess.errors import EUGuessError

WAIT_SECONDS = 1.5
KEPT_SECONDS = 4.0
UNKNOWN = "Not known while the sampler does not answer."
PARTS = {"redis": "Redis", "store": "Store", "collection": "Collection loop"}


@dataclass(frozen=True)
class Health:
    """One service; trouble is None when it is well."""

    name: str
    trouble: str | None
    container: str


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_health(_connections: Connections) -> list[Health]:
    """Sampler, Redis (by the sampler), store, MLflow and TorchServe; takes 1.5 s at most."""
    pool = ThreadPoolExecutor()
    sampler = pool.submit(_connections.sampler.troubles)
    store = pool.submit(_connections.store.run, lambda s: s.exists(DATASETS + "ready"))
    mlflow = pool.submit(_connections.registry.check)
    torchserve = pool.submit(_connections.inference.check)
    wait((sampler, store, mlflow, torchserve), WAIT_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        *_of_sampler(sampler),
        Health("Store", _trouble(store), "minio"),
        Health("MLflow", _trouble(mlflow), "mlflow"),
        Health("TorchServe", _trouble(torchserve), "inference"),
    ]


def _of_sampler(asked: "Future[dict[str, str]]") -> list[Health]:
    """The sampler speaks for Redis; it answers while one of its parts is in trouble."""
    trouble = _trouble(asked)
    if trouble is not None:
        return [Health("Sampler", trouble, "sampler"), Health("Redis", UNKNOWN, "redis")]
    found = asked.result()
    own = [f"{PARTS.get(part, part)}: {text}." for part, text in found.items() if part != "redis"]
    redis = found.get("redis")
    return [
        Health("Sampler", " ".join(own) or None, "sampler"),
        Health("Redis", redis and f"Redis {redis}.", "redis"),
    ]


def _trouble(asked: "Future[Any]") -> str | None:
    if not asked.done():
        return f"No answer within {WAIT_SECONDS} s."
    error = asked.exception()
    if error is not None and not isinstance(error, EUGuessError):
        raise error
    return None if error is None else str(error)
