"""Load Lua scripts for Redis."""

from importlib import resources

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


def load_script(redis: Redis, package: str, *names: str) -> AsyncScript:
    """Join Lua files in a package's folder `lua` into one script.

    It is sent by digest, and in full only when Redis does not know it, as after a restart. That
    holds for direct calls: in a pipeline a script would cost a further round trip.
    """
    files = resources.files(package) / "lua"
    parts = ((files / f"{name}.lua").read_text(encoding="utf-8") for name in names)
    return redis.register_script("\n".join(parts))
