"""Secrets of the stack as files: given by the user, else made at random once and kept."""

import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from euguess.errors import InvalidInput
from euguess.process.files import write_atomically

SECRET_BYTES = 20  # 40 characters, the most that MinIO takes for a secret key
MIN_LENGTH = 8
MODE = 0o440
PLACEHOLDER = re.compile(
    r"<.*>|\$\{?.*|change.?me.*|replace.?me.*|your.?.*|(pass|password|secret|example|test|todo|x+|"
    r"minioadmin|admin|root|default)[0-9]*",
    re.IGNORECASE,
)
# A shell, a URL and Redis's configuration take these as they are.
ALLOWED = re.compile(r"[!#-&(-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """One file; only containers with its group can read it."""

    name: str
    gid: int
    make: Callable[[], str] | None = None  # None: empty unless given
    min_length: int = MIN_LENGTH

    @property
    def variable(self) -> str:
        """Names the user's own file on the host."""
        return f"EUGUESS_{self.name.upper()}_FILE"


REDIS_GROUP, S3_GROUP, MINIO_GROUP = 20001, 20002, 20003
SIMULATOR_GROUP, PROVIDER_GROUP = 20004, 20005


def _secret() -> str:
    return secrets.token_hex(SECRET_BYTES)


def _name() -> str:
    return secrets.token_hex(10)  # MinIO takes 20 characters at most


SECRETS = (
    Secret("redis_password", REDIS_GROUP, _secret),
    Secret("minio_root_user", MINIO_GROUP, _name, min_length=3),
    Secret("minio_root_password", MINIO_GROUP, _secret),
    Secret("s3_access_key", S3_GROUP, _name, min_length=3),
    Secret("s3_secret_key", S3_GROUP, _secret),
    Secret("simulator_key", SIMULATOR_GROUP, _secret),
    Secret("google_key", PROVIDER_GROUP),
    Secret("google_signing_secret", PROVIDER_GROUP),
)


def write_secrets(given: Path, target: Path, redis_host: str = "redis") -> list[str]:
    """Bring all secrets into the target folder; the names of those made at random now.

    Raises InvalidInput for a file of the user that cannot be taken, before anything is written.
    """
    values = {secret.name: _given(secret, given / secret.name) for secret in SECRETS}
    made = []
    for secret in SECRETS:
        value, path = values[secret.name], target / secret.name
        if value is None and not path.exists():
            value = secret.make() if secret.make else ""
            made += [secret.name] if secret.make else []
        if value is not None:
            write_atomically(path, value, mode=MODE, group=secret.gid)
    password = quote((target / "redis_password").read_text(), safe="")
    url = f"redis://:{password}@{redis_host}:6379/0"
    write_atomically(target / "redis_url", url, mode=MODE, group=REDIS_GROUP)
    return made


def require_own_s3_keys(given: Path) -> None:
    """For another S3 server, keys made here would be of no use. Raises InvalidInput."""
    for secret in SECRETS:
        if secret.gid == S3_GROUP and _given(secret, given / secret.name) is None:
            raise InvalidInput(
                f"EUGUESS_S3_ENDPOINT names another S3 server; let {secret.variable} name a file "
                "with its key."
            )


def _given(secret: Secret, path: Path) -> str | None:
    """The user's value; what stands there when nothing is given is no regular file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISCHR(mode):  # /dev/null
        return None
    if not stat.S_ISREG(mode):
        raise InvalidInput(f"{secret.variable} names a folder; it must name a file with the value.")
    return _checked(secret, path.read_text(errors="replace").strip())


def _checked(secret: Secret, value: str) -> str:
    if not value:
        raise InvalidInput(f"{secret.variable} names an empty file; write the value into it.")
    if PLACEHOLDER.fullmatch(value):
        raise InvalidInput(f"{secret.variable} holds a placeholder; write a value of your own.")
    if len(value) < secret.min_length:
        raise InvalidInput(
            f"{secret.variable} is too short: {secret.min_length} characters are the least."
        )
    if not ALLOWED.fullmatch(value):
        raise InvalidInput(
            f"{secret.variable} holds a blank, a quote, a backslash or a letter that is not ASCII."
        )
    return value
