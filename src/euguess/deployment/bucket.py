"""The bucket, and on the bundled MinIO an account that can access only that bucket."""

from pydantic import SecretStr

from euguess.settings import Settings, StoreSettings
from euguess.storage.administration import ensure_bucket, ensure_service_account

OWN_ENDPOINT = "http://minio:9000"


class MinioRootSettings(Settings):
    """The administrator account of the bundled MinIO."""

    minio_root_user: str = ""
    minio_root_password: SecretStr = SecretStr("")


def is_bundled(settings: StoreSettings) -> bool:
    """Return True if the store is the MinIO of these containers."""
    return settings.s3_endpoint == OWN_ENDPOINT


def set_up(store: StoreSettings, root: MinioRootSettings) -> str:
    """Create bucket and account if missing; return the outcome as a sentence.

    Raises InvalidInput or StoreError.
    """
    if not is_bundled(store):
        is_new = ensure_bucket(store)
        return f"{store.url} at {store.s3_endpoint} {'created' if is_new else 'already exists'}"
    as_root = store.model_copy(
        update={"s3_access_key": root.minio_root_user, "s3_secret_key": root.minio_root_password}
    )
    ensure_bucket(as_root)
    ensure_service_account(as_root, access_key=store.s3_access_key, secret_key=store.s3_secret_key)
    return f"{store.url} is ready, with an account that can access nothing else"
