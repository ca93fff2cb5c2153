"""Composition root of the fetcher: builds its parts, once in each worker process."""

import asyncio
import contextlib
import logging
import random
import signal
from typing import Any

import aiohttp
import psutil
from celery import Celery
from celery.platforms import set_pdeathsig
from celery.signals import (
    heartbeat_sent,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)
from redis.exceptions import RedisError

from euguess.collection.budget import BudgetLedger
from euguess.collection.ledger import Ledger
from euguess.collection.providers import COLLECTED, ProviderName
from euguess.collection.redis_connection import open_redis
from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.geography.boundaries import load_boundaries
from euguess.messages.queues import Queue
from euguess.process.logs import configure_logging
from euguess.settings import (
    HomeSettings,
    ProviderSettings,
    RedisSettings,
    SamplerSettings,
    StoreSettings,
)
from euguess.storage import open_store
from services.fetcher.calls import CALLS_IN_FLIGHT, Calls
from services.fetcher.context import FetchContext
from services.fetcher.health import FetcherHealth
from services.fetcher.message import MessageFetcher
from services.fetcher.providers import StreetImageProvider
from services.fetcher.providers.google import TERMS, GoogleAccess, GoogleProvider
from services.fetcher.providers.simulator import SimulatorProvider
from services.fetcher.ratelimit import RateLimit
from services.fetcher.tasks import create_celery, register

logger = logging.getLogger(__name__)

HAND_BACK = signal.SIGUSR2  # to pool processes; Celery uses SIGTERM and SIGUSR1 itself
USER_AGENT = "EUGuess/0.1 (street-level imagery research)"


class WorkerProcess:
    """An event loop and an HTTP session that serve all tasks of a process."""

    def __init__(self, health: FetcherHealth) -> None:
        self._health = health
        self._stopping = asyncio.Event()
        self._runner: asyncio.Runner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fetcher: MessageFetcher | None = None

    def open(self, **_: Any) -> None:
        """Connect and load in the worker process itself: threads do not survive a fork."""
        if self._runner is None:
            self._runner = asyncio.Runner()
            signal.signal(HAND_BACK, self._hand_back)
        self._fetcher = self._runner.run(self._connect())

    def close(self, **_: Any) -> None:
        if self._runner is not None and self._session is not None:
            self._runner.run(self._session.close())
            self._runner.close()

    def fetch(self, text: str) -> None:
        if self._runner is None or self._fetcher is None:
            self.open()
        assert self._runner is not None
        assert self._fetcher is not None
        self._runner.run(self._fetcher.fetch(text))
        self._health.progress.beat()

    def _hand_back(self, *_: Any) -> None:
        """Hand back the current message, and the ones that arrive later. A signal handler."""
        if self._runner is not None:
            self._runner.get_loop().call_soon_threadsafe(self._stopping.set)

    async def _connect(self) -> MessageFetcher:
        store = await open_store(StoreSettings.load())
        connector = aiohttp.TCPConnector(limit=CALLS_IN_FLIGHT)
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": USER_AGENT}
        )
        redis = open_redis(RedisSettings.load().redis_url.get_secret_value())
        ledger, budgets, boundaries = Ledger(redis), BudgetLedger(redis), load_boundaries()
        session = self._session

        def open_context(name: str) -> FetchContext:
            provider = open_provider(name, ProviderSettings.load(), session)
            limit = RateLimit(redis, provider.name, provider.requests_per_second)
            calls = Calls(limit, chance=random.Random())
            return FetchContext(provider, calls, store, ledger, budgets, boundaries)

        lease_seconds = SamplerSettings.load().lease_seconds
        return MessageFetcher(store, ledger, open_context, lease_seconds, self._stopping)


def run_worker(concurrency: int) -> int:
    """Process messages until SIGTERM, SIGINT or the death of the parent; return the exit code.

    Raises ServiceUnavailable when Redis does not answer.
    """
    set_pdeathsig("SIGTERM")
    worker = build_worker().Worker(
        pool="prefork",
        concurrency=concurrency,
        queues=[Queue.FETCH],
        loglevel="INFO",
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def build_worker() -> Celery:
    """Build the Celery application with real parts. Each process opens its own connections.

    Raises ServiceUnavailable when Redis does not answer.
    """
    redis_url = RedisSettings.load().redis_url.get_secret_value()
    asyncio.run(_check_redis(redis_url))
    health = FetcherHealth(HomeSettings().home)
    process = WorkerProcess(health)
    celery = create_celery(redis_url)
    worker_process_init.connect(process.open, weak=False)
    worker_process_shutdown.connect(process.close, weak=False)
    setup_logging.connect(_configure_logging, weak=False)
    worker_ready.connect(lambda **_: health.progress.beat(), weak=False)
    heartbeat_sent.connect(lambda **_: health.alive.beat(), weak=False)
    worker_shutting_down.connect(_let_pool_hand_back, weak=False)
    register(celery, process.fetch)
    return celery


def _let_pool_hand_back(**_: Any) -> None:
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(HAND_BACK)


async def _check_redis(url: str) -> None:
    try:
        async with open_redis(url) as redis:
            await redis.ping()
    except RedisError as error:
        raise ServiceUnavailable(
            f"Redis does not answer ({type(error).__name__}); start the stack with `euguess up`, "
            "or check EUGUESS_REDIS_URL."
        ) from None


def _configure_logging(**_: Any) -> None:
    configure_logging("fetcher")
    reason = why_off(ProviderSettings.load())
    if reason is not None:
        logger.warning(reason, extra={"action": "provider_off"})
    # These loggers write the full message of every task.
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)


def open_provider(
    name: str, settings: ProviderSettings, session: aiohttp.ClientSession
) -> StreetImageProvider:
    """Return the provider of that name.

    Raises InvalidInput when it is unknown, has no key, or its terms are not accepted.
    """
    if name == ProviderName.SIMULATOR:
        access = GoogleAccess(base_url=settings.simulator_url, key=settings.simulator_key)
        return SimulatorProvider(session, access)
    if name == ProviderName.GOOGLE:
        return GoogleProvider(session, _google_access(settings))
    raise InvalidInput(f"{name!r} is not an imagery provider; use one of {', '.join(COLLECTED)}.")


def why_off(settings: ProviderSettings) -> str | None:
    """Return why a provider is disabled although it has a key; None if none is."""
    if not settings.google_key.get_secret_value():
        return None
    try:
        _google_access(settings)
    except InvalidInput as error:
        return f"The provider google is disabled. {error}"
    return None


def _google_access(settings: ProviderSettings) -> GoogleAccess:
    accepted = settings.accept_provider_terms.split(",")
    if ProviderName.GOOGLE not in accepted:
        raise InvalidInput(f"{TERMS} To accept them, set EUGUESS_ACCEPT_PROVIDER_TERMS=google.")
    if not settings.google_key.get_secret_value():
        raise InvalidInput("The provider google needs a key in EUGUESS_GOOGLE_KEY.")
    secret = settings.google_signing_secret
    return GoogleAccess(
        base_url=settings.google_base_url,
        key=settings.google_key,
        signing_secret=secret if secret.get_secret_value() else None,
    )
