"""`euguess key` and `open`: the token of the inference server, and the dashboard."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from euguess.clients.inference import read_token
from euguess.errors import ServiceUnavailable
from euguess.settings import ServiceSettings
from euguess.terminal.output import console


def register(app: typer.Typer) -> None:
    """Add the commands to the main application."""
    app.command()(key)
    app.command("open")(open_dashboard)


def key() -> None:
    """Print the token of the inference server, for the header `Authorization: Bearer TOKEN`."""
    key_file = ServiceSettings.load().inference_key_file
    if not key_file:
        raise ServiceUnavailable(
            "No stack is running here. Start one with `euguess up`, or set "
            "EUGUESS_INFERENCE_KEY_FILE."
        )
    typer.echo(read_token(Path(key_file), "inference"))


def open_dashboard(
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the address without opening it")
    ] = False,
) -> None:
    """Open the dashboard in the browser, and print its address."""
    url = ServiceSettings.load().dashboard_url
    if not url:
        raise ServiceUnavailable(
            "No stack is running here. Start one with `euguess up`, or set EUGUESS_DASHBOARD_URL."
        )
    console.print(url, highlight=False, soft_wrap=True)
    if not print_only:
        webbrowser.open(url)
