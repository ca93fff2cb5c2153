"""Secrets as files: given by the user, or generated once and kept."""

import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from euguess.errors import InvalidInput
from euguess.process.files import write_atomically

SECRET_BYTES = 20  # 40 characters, MinIO's maximum for a secret key
MIN_LENGTH = 8
MODE = 0o440
PLACEHOLDER = re.compile(
    r"<.*>|\$\{?.*|change.?me.*|replace.?me.*|your.?.*|(pass|password|secret|example|test|todo|x+|"
    r"minioadmin|admin|root|default)[0-9]*",
    re.IGNORECASE,
)
# Characters that need no quoting in a shell, a URL or Redis's configuration.
ALLOWED = re.compile(r"[!#-&(-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret file that only containers with its group can read."""

    name: str
    gid: int
    make: Callable[[], str] | None = None  # None: empty unless the user gives it
    min_length: int = MIN_LENGTH

    @property
    def variable(self) -> str:
        """The variable that names the user's file on the host."""
        return f"EUGUESS_{self.name.upper()}_FILE"


REDIS_GROUP, S3_GROUP, MINIO_GROUP = 20001, 20002, 20003
SIMULATOR_GROUP, PROVIDER_GROUP, ACCESS_GROUP = 20004, 20005, 20006


def _secret() -> str:
    return secrets.token_hex(SECRET_BYTES)


def _name() -> str:
    return secrets.token_hex(10)  # 20 characters, MinIO's maximum for an access key


SECRETS = (
    Secret("redis_password", REDIS_GROUP, _secret),
    Secret("minio_root_user", MINIO_GROUP, _name, min_length=3),
    Secret("minio_root_password", MINIO_GROUP, _secret),
    Secret("s3_access_key", S3_GROUP, _name, min_length=3),
    Secret("s3_secret_key", S3_GROUP, _secret),
    Secret("simulator_key", SIMULATOR_GROUP, _secret),
    Secret("access_token", ACCESS_GROUP, _secret, min_length=16),
    Secret("google_key", PROVIDER_GROUP),
    Secret("google_signing_secret", PROVIDER_GROUP),
)


def write_secrets(given: Path, target: Path, redis_host: str = "redis") -> list[str]:
    """Write all secrets to the target folder and return the names of the generated ones.

    Raises InvalidInput for an invalid file of the user, before anything is written.
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


def require_s3_keys(given: Path) -> None:
    """Raise InvalidInput unless the user gives the keys of another S3 server."""
    for secret in SECRETS:
        if secret.gid == S3_GROUP and _given(secret, given / secret.name) is None:
            raise InvalidInput(
                f"EUGUESS_S3_ENDPOINT names another S3 server. Set {secret.variable} to a file "
                "with its key."
            )


def _given(secret: Secret, path: Path) -> str | None:
    """Return the user's value. Without one, Compose mounts /dev/null instead of a file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISCHR(mode):  # /dev/null
        return None
    if not stat.S_ISREG(mode):
        raise InvalidInput(f"{secret.variable} names a folder. It must name a file with the value.")
    return _checked(secret, path.read_text(errors="replace").strip())


def _checked(secret: Secret, value: str) -> str:
    if not value:
        raise InvalidInput(f"{secret.variable} names an empty file. Write the value into it.")
    if PLACEHOLDER.fullmatch(value):
        raise InvalidInput(
            f"{secret.variable} holds a placeholder. Replace it with your own value."
        )
    if len(value) < secret.min_length:
        raise InvalidInput(
            f"{secret.variable} is too short. Use at least {secret.min_length} characters."
        )
    if not ALLOWED.fullmatch(value):
        raise InvalidInput(
            f"{secret.variable} must not contain blanks, quotes, backslashes or non-ASCII letters."
        )
    return value
