"""Runs the dashboard: python -m dashboard --port 8000."""

from pathlib import Path
from typing import Annotated

import typer

from dashboard.server import serve

SCRIPT = Path(__file__).with_name("app.py")


def run(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Show datasets, trainings, results and models in a browser, and play against the champion."""
    typer.echo(f"The dashboard is at http://{host}:{port} (Ctrl-C ends it).")
    serve(SCRIPT, host, port)


if __name__ == "__main__":
    typer.run(run)
