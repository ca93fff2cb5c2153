"""Set up an S3 server: the bucket and, on MinIO, an account restricted to that bucket."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from pydantic import SecretStr
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from euguess.errors import StoreError, StoreUnavailable
from euguess.settings import StoreSettings
from euguess.storage.s3 import bucket_name, require_credentials

AWS_ENDPOINT = "https://s3.amazonaws.com"
TIMEOUT_SECONDS = 5.0
ACCOUNT_NAME = "euguess"
BUCKET_IS_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def ensure_bucket(settings: StoreSettings) -> bool:
    """Create the bucket of s3://bucket. Return False if it exists already.

    Raises InvalidInput, StoreUnavailable, or StoreError if the server refuses.
    """
    bucket = bucket_name(settings)
    client = _client(settings)
    with _errors(settings):
        if client.bucket_exists(bucket_name=bucket):
            return False
        try:
            client.make_bucket(bucket_name=bucket, location=settings.s3_region)
        except S3Error as error:
            if error.code in BUCKET_IS_THERE:  # another process was faster
                return False
            raise
        return True


def bucket_policy(bucket: str) -> dict[str, Any]:
    """Return the policy of the services: list a bucket; read, write and delete its objects."""
    resource = f"arn:aws:s3:::{bucket}"
    listing = ["s3:GetBucketLocation", "s3:ListBucket"]
    objects = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": listing, "Resource": [resource]},
            {"Effect": "Allow", "Action": objects, "Resource": [f"{resource}/*"]},
        ],
    }


def ensure_service_account(
    settings: StoreSettings, *, access_key: str, secret_key: SecretStr
) -> bool:
    """Create a MinIO service account restricted to the bucket. Settings hold the root account.

    Updates secret and policy and returns False if the account exists. MinIO requires access keys
    of 3 to 20 characters and secret keys of 8 to 40. Raises the errors of ensure_bucket.
    """
    policy = bucket_policy(bucket_name(settings))
    secret = secret_key.get_secret_value()
    admin = _admin(settings)
    with _errors(settings):
        if access_key in _service_accounts(admin, settings.s3_access_key):
            admin.update_service_account(access_key=access_key, secret_key=secret, policy=policy)
            return False
        admin.add_service_account(
            access_key=access_key, secret_key=secret, name=ACCOUNT_NAME, policy=policy
        )
        return True


def _service_accounts(admin: MinioAdmin, user: str) -> set[str]:
    answer = json.loads(admin.list_service_account(user))
    return {account["accessKey"] for account in answer.get("accounts") or ()}


def _client(settings: StoreSettings) -> Minio:
    require_credentials(settings)
    address = _address(settings)
    return Minio(
        endpoint=address.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.s3_region,
        http_client=_http(),
    )


def _admin(settings: StoreSettings) -> MinioAdmin:
    require_credentials(settings)
    address = _address(settings)
    return MinioAdmin(
        endpoint=address.netloc,
        credentials=StaticProvider(
            settings.s3_access_key, settings.s3_secret_key.get_secret_value()
        ),
        region=settings.s3_region,
        secure=address.scheme == "https",
        http_client=_http(),
    )


def _address(settings: StoreSettings) -> SplitResult:
    return urlsplit(settings.s3_endpoint or AWS_ENDPOINT)


def _http() -> PoolManager:
    return PoolManager(timeout=Timeout(TIMEOUT_SECONDS), retries=Retry(total=1))


@contextlib.contextmanager
def _errors(settings: StoreSettings) -> Iterator[None]:
    endpoint = settings.s3_endpoint or AWS_ENDPOINT
    try:
        yield
    except HTTPError:
        raise StoreUnavailable(
            f"The store at {endpoint} does not answer. Start it with `euguess up`, or check "
            "EUGUESS_S3_ENDPOINT."
        ) from None
    except S3Error as error:
        raise StoreError(f"The store at {endpoint} refused: {error.code}. {_ADVICE}") from None
    except (MinioException, MinioAdminException):
        raise StoreError(f"The store at {endpoint} refused. {_ADVICE}") from None


_ADVICE = (
    "Check EUGUESS_S3_ACCESS_KEY and EUGUESS_S3_SECRET_KEY. That account must be allowed to "
    "administer the server."
)
