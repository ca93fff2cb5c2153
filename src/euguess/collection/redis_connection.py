"""Connect to Redis and load Lua scripts."""

from importlib import resources

from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript

REDIS_CONNECTIONS = 32  # per process; further calls wait for a free one
REDIS_WAIT_SECONDS = 30.0


def open_redis(url: str) -> Redis:
    """Open a client whose concurrent calls share a bounded number of connections."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=REDIS_CONNECTIONS,
        timeout=REDIS_WAIT_SECONDS,
        socket_connect_timeout=5,
        socket_timeout=REDIS_WAIT_SECONDS,
    )
    return Redis.from_pool(pool)  # which closes the pool with the client


def load_script(redis: Redis, package: str, *names: str) -> AsyncScript:
    """Join Lua files in a package's folder `lua` into one script.

    It is sent by digest, and in full only when Redis does not know it, as after a restart. That
    holds for direct calls: in a pipeline a script would cost a further round trip.
    """
    files = resources.files(package) / "lua"
    parts = ((files / f"{name}.lua").read_text(encoding="utf-8") for name in names)
    return redis.register_script("\n".join(parts))
