"""Run the dashboard: python -m dashboard --port 8000."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from streamlit.starlette import App

from euguess.process.exits import run_program

SCRIPT = Path(__file__).with_name("app.py")
GRACE_SECONDS = 3  # for responses in progress, after a signal


def run(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Show datasets, training runs, results and models in a browser, and play against the model."""
    typer.echo(f"The dashboard is at http://{host}:{port} (Ctrl-C stops it).")
    serve(SCRIPT, host, port)


def serve(script: Path, host: str, port: int) -> None:
    """Serve a Streamlit script until a signal ends the process.

    Options come from the .streamlit/config.toml beside the script. uvicorn opens the socket:
    on the one that `streamlit run` opens, Nagle's algorithm delays each response by 40 ms.
    """
    app = App(script)
    uvicorn.run(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS)


if __name__ == "__main__":
    run_program(partial(typer.run, run), name="dashboard")
