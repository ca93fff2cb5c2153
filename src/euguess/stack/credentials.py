"""Secrets of a local stack, generated once and kept in its home."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from euguess.process.files import write_atomically

SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords and keys, in hexadecimal, which needs no quoting in files and URLs."""

    redis_password: str
    s3_access_key: str
    s3_secret_key: str
    simulator_key: str


def load_credentials(home: Path) -> Credentials:
    """Read the credentials, or generate them at the first start. Only the owner can read them."""
    path = home / "credentials.json"
    if not path.exists():
        write_atomically(path, json.dumps(asdict(_new_credentials())), mode=0o600)
    return Credentials(**json.loads(path.read_text()))


def _new_credentials() -> Credentials:
    password, access_key, secret_key, key = (secrets.token_hex(SECRET_BYTES) for _ in range(4))
    return Credentials(password, access_key[:20], secret_key, key)
