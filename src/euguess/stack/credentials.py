"""Secrets of a local stack, made once and kept in its home."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords and keys; hexadecimal, so that no file or URL needs quoting."""

    redis_password: str
    s3_access_key: str
    s3_secret_key: str
    simulator_key: str


def load_credentials(home: Path) -> Credentials:
    """Read them, or make them at the first start; only the owner can read the file."""
    path = home / "credentials.json"
    if not path.exists():
        _write(path, _new_credentials())
    return Credentials(**json.loads(path.read_text()))


def _new_credentials() -> Credentials:
    password, access_key, secret_key, key = (secrets.token_hex(SECRET_BYTES) for _ in range(4))
    return Credentials(password, access_key[:20], secret_key, key)


def _write(path: Path, credentials: Credentials) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(credentials), file)
    part.replace(path)
