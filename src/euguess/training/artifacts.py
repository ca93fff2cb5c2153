"""Addresses of the files of runs in a home.

The database names them relative to the home's folder of artifacts, so that they are found with and
without a running MLflow server, and after the home was moved.
"""

from pathlib import Path
from urllib.parse import urlsplit

from euguess.settings import HomeSettings

ARTIFACT_FOLDER = "mlflow-artifacts"
RELATIVE = "mlflow-artifacts:/"


def database_file(tracking_url: str) -> Path | None:
    """Return the file of a sqlite:/// URL; None for other URLs."""
    url = urlsplit(tracking_url)
    return Path(url.path.removeprefix("/")) if url.scheme == "sqlite" else None


def readable_address(address: str, tracking_url: str) -> str:
    """Return an address that can be read through this tracking URL.

    A server resolves relative addresses itself. Without one, they are in the folder beside the
    database.
    """
    if tracking_url.startswith(("http://", "https://")) or not address.startswith(RELATIVE):
        return address
    database = database_file(tracking_url)
    home = database.parent if database else HomeSettings().home
    return (home / ARTIFACT_FOLDER).resolve().joinpath(address.removeprefix(RELATIVE)).as_uri()
