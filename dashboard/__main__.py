"""Run the dashboard: python -m dashboard --port 8000."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from streamlit.starlette import App

from dashboard.connections import TOKEN
from dashboard.headers import page_headers
from euguess.access.middleware import OwnPagesOnly, SecurityHeaders
from euguess.access.policy import AccessPolicy, access_policy
from euguess.process.exits import run_program
from euguess.settings import AccessSettings

SCRIPT = Path(__file__).with_name("app.py")
GRACE_SECONDS = 3  # for responses in progress, after a signal
MAX_BODY_BYTES = 24 * 2**20  # an upload of maxUploadSize with its form


def run(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Show datasets, training runs, results and models in a browser, and play against the model."""
    policy = access_policy(AccessSettings.load(), host)
    typer.echo(f"The dashboard is at http://{host}:{port} (Ctrl-C stops it).")
    serve(SCRIPT, host, port, policy)


def serve(script: Path, host: str, port: int, policy: AccessPolicy | None = None) -> None:
    """Serve a Streamlit script until a signal ends the process.

    Options come from the .streamlit/config.toml beside the script. uvicorn opens the socket:
    on the one that `streamlit run` opens, Nagle's algorithm delays each response by 40 ms.
    """
    app = dashboard_app(script, policy or AccessPolicy())
    uvicorn.run(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS)


def dashboard_app(script: Path, policy: AccessPolicy) -> App:
    """Return the application, which passes the token that changes need on to the script."""
    checks = [
        Middleware(SecurityHeaders, headers=page_headers()),
        Middleware(OwnPagesOnly, policy=policy),
        Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES),
    ]
    token = policy.token.get_secret_value() if policy.token else ""
    return App(script, secrets={TOKEN: token}, middleware=checks)


if __name__ == "__main__":
    run_program(partial(typer.run, run), name="dashboard")
