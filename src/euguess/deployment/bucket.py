"""The bucket of the stack: on its own MinIO with an account that may use nothing else."""

from pydantic import SecretStr

from euguess.settings import Settings, StoreSettings
from euguess.storage.administration import ensure_bucket, ensure_service_account

OWN_ENDPOINT = "http://minio:9000"


class MinioRootSettings(Settings):
    """The account that administers the stack's own MinIO."""

    minio_root_user: str = ""
    minio_root_password: SecretStr = SecretStr("")


def is_own(settings: StoreSettings) -> bool:
    """Whether the store is the MinIO of this stack."""
    return settings.s3_endpoint == OWN_ENDPOINT


def set_up(store: StoreSettings, root: MinioRootSettings) -> str:
    """Make what is missing; a sentence about it. Raises InvalidInput or StoreError."""
    if not is_own(store):
        is_new = ensure_bucket(store)
        return f"{store.url} at {store.s3_endpoint} {'is new' if is_new else 'is there'}"
    as_root = store.model_copy(
        update={"s3_access_key": root.minio_root_user, "s3_secret_key": root.minio_root_password}
    )
    ensure_bucket(as_root)
    ensure_service_account(as_root, access_key=store.s3_access_key, secret_key=store.s3_secret_key)
    return f"{store.url} is ready, with an account that may use nothing else"
