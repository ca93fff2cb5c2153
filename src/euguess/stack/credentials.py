"""Secrets of a local stack, generated once and kept in its home."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from euguess.process.files import write_atomically
from euguess.process.locks import folder_lock

SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords and keys, in hexadecimal, which needs no quoting in files and URLs."""

    redis_password: str
    s3_access_key: str
    s3_secret_key: str
    simulator_key: str
    access_token: str


def load_credentials(home: Path) -> Credentials:
    """Read the credentials, or generate those that are missing. Only the owner can read them."""
    path = home / "credentials.json"
    with folder_lock(home / "credentials"):  # first starts at the same time get the same ones
        stored = json.loads(path.read_text()) if path.exists() else {}
        credentials = Credentials(**{**asdict(_new_credentials()), **stored})
        if asdict(credentials) != stored:
            write_atomically(path, json.dumps(asdict(credentials)), mode=0o600)
    return credentials


def _new_credentials() -> Credentials:
    password, access_key, secret_key, key, token = (
        secrets.token_hex(SECRET_BYTES) for _ in range(5)
    )
    return Credentials(password, access_key[:20], secret_key, key, token)
