"""Objects in a bucket of MinIO, AWS S3, SeaweedFS or any other S3 server."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

from euguess.errors import InvalidInput
from euguess.settings import StoreSettings
from euguess.storage.objects import Objects, StoreLabel

if TYPE_CHECKING:
    from obstore.store import S3Config

SCHEME = "s3://"
REQUEST_TIMEOUT = timedelta(seconds=30)
CONNECT_TIMEOUT = timedelta(seconds=5)
# Well below the lease of a slot (120 s), so that a failing store is reported during it.
RETRY_TIMEOUT = timedelta(seconds=20)
MAX_RETRIES = 6

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_name(settings: StoreSettings) -> str:
    """Return the bucket of s3://bucket. Raises InvalidInput."""
    bucket = settings.url.removeprefix(SCHEME).rstrip("/")
    if not settings.url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise InvalidInput(
            f"{settings.url!r} names no bucket. EUGUESS_STORE_URL must be like s3://euguess "
            "(3 to 63 lower-case letters, digits, '.' or '-', and no path)."
        )
    return bucket


def require_credentials(settings: StoreSettings) -> None:
    """Raise InvalidInput with the names of missing settings."""
    given = {
        "EUGUESS_S3_ACCESS_KEY": settings.s3_access_key,
        "EUGUESS_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }
    missing = " and ".join(name for name, value in given.items() if not value)
    if missing:
        raise InvalidInput(f"The store {settings.url} needs {missing} to be set.")


def s3_store(settings: StoreSettings) -> Objects:
    """Create the client of a bucket without connecting. Raises InvalidInput."""
    bucket = bucket_name(settings)
    require_credentials(settings)
    if settings.s3_endpoint and not settings.s3_endpoint.startswith(("http://", "https://")):
        raise InvalidInput(
            f"EUGUESS_S3_ENDPOINT is {settings.s3_endpoint!r}. It must start with http:// or "
            "https://, as in http://127.0.0.1:9000."
        )
    return Objects(_backend(settings, bucket), _label(settings, bucket))


def _backend(settings: StoreSettings, bucket: str) -> S3Store:
    config: S3Config = {
        "access_key_id": settings.s3_access_key,
        "secret_access_key": settings.s3_secret_key.get_secret_value(),
        "region": settings.s3_region,
        "checksum_algorithm": "SHA256",  # the server rejects a body damaged in transit
        "disable_bulk_delete": True,  # a plain DELETE, which every server supports
    }
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    return S3Store(
        bucket,
        config=config,
        client_options={
            "allow_http": settings.s3_endpoint.startswith("http://"),
            "timeout": REQUEST_TIMEOUT,
            "connect_timeout": CONNECT_TIMEOUT,
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
    )


def _label(settings: StoreSettings, bucket: str) -> StoreLabel:
    endpoint = settings.s3_endpoint or "AWS S3"
    return StoreLabel(
        f"The bucket {bucket} at {endpoint}",
        "start the store with `euguess up`, or check EUGUESS_S3_ENDPOINT",
        "check EUGUESS_S3_ACCESS_KEY, EUGUESS_S3_SECRET_KEY and the permissions of that key",
    )
