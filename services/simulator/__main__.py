"""Command line and composition root of the simulator."""

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from euguess.errors import EUGuessError, InvalidInput, PortInUse, UnknownCountry
from euguess.geography.boundaries import Boundaries, load_boundaries
from euguess.settings import ProviderSettings
from services.simulator.api.access import Access
from services.simulator.api.counters import Counters
from services.simulator.api.google import StreetView
from services.simulator.app import create_app
from services.simulator.faults import FaultMode, FaultScript, parse_fault
from services.simulator.imagery import CachedImagery, Imagery
from services.simulator.photos import PhotoImagery, read_photos
from services.simulator.scenes.renderer import DrawnImagery
from services.simulator.world import Coverage, World

MEGABYTE = 2**20
SHUTDOWN_SECONDS = 1.0
FAULT_HELP = (
    "What goes wrong: MODE (always), MODE=3 (three times) or MODE=10% (of requests), each with "
    f"@metadata or @image or without. Modes: {', '.join(FaultMode)}. May be repeated."
)


app = typer.Typer(
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8091,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Another seed is another world")
    ] = 0,
    coverage: Annotated[
        float, typer.Option(min=0, max=1, help="Share of 1 km cells that have a panorama")
    ] = 0.7,
    no_coverage: Annotated[
        str, typer.Option(metavar="CODES", help="Countries without any panorama: MT,AD")
    ] = "",
    photos: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Serve these photos: manifest.csv or a sub-folder per country code",
        ),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help=FAULT_HELP)] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Valid API key; default: EUGUESS_SIMULATOR_KEY")
    ] = None,
    signing_secret: Annotated[
        str, typer.Option(help="Demand URL signatures; URL-safe base64 as from the provider")
    ] = "",
    denied_status: Annotated[
        int,
        typer.Option(min=200, max=403, help="HTTP status of metadata's REQUEST_DENIED: 200 or 403"),
    ] = 200,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads that draw")] = 1,
    cache_mb: Annotated[int, typer.Option(min=0, help="Memory for finished pictures")] = 64,
) -> None:
    """A street imagery provider for development: Google's Street View Static API, drawn.

    Addresses: /maps/api/streetview/metadata, /maps/api/streetview, /healthz, /counters and
    /faults (GET, POST a JSON list such as [{"mode": "slow", "fraction": 0.1}], DELETE).
    """
    boundaries = load_boundaries()
    places = read_photos(photos) if photos else None
    imagery: Imagery = PhotoImagery(places) if places else DrawnImagery(seed=seed)
    without = set(_codes(no_coverage, boundaries))
    if places:
        without |= set(boundaries.codes) - set(places)
    shares = Coverage(coverage, dict.fromkeys(without, 0.0))
    street_view = StreetView(
        world=World(seed=seed, coverage=shares, country_map=boundaries),
        imagery=CachedImagery(imagery, threads=threads, cache_bytes=cache_mb * MEGABYTE),
        access=Access(tuple(key) if key else (_default_key(),), signing_secret or None),
        faults=FaultScript(tuple(parse_fault(text) for text in fault or ())),
        counters=Counters(),
        denied_status=denied_status,
    )
    _run(create_app(street_view), host, port)


def _codes(text: str, boundaries: Boundaries) -> list[str]:
    codes = [code.strip() for code in text.split(",") if code.strip()]
    for code in codes:
        if code not in boundaries.codes:
            raise UnknownCountry(f"--no-coverage: there is no country {code!r} on the map.")
    return codes


def _default_key() -> str:
    return ProviderSettings.load().simulator_key.get_secret_value()


def _run(application: web.Application, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises PortInUse."""
    sys.stdout.write(f"The simulator listens at http://{host}:{port}\n")
    sys.stdout.flush()
    try:
        web.run_app(
            application,
            host=host,
            port=port,
            access_log=None,  # its lines would hold keys
            print=None,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(f"Port {port} is taken; choose another one with --port.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; known errors end in one line on standard error."""
    try:
        app(arguments)
    except EUGuessError as error:
        sys.stderr.write(f"simulator: {error}\n")
        sys.exit(2 if isinstance(error, InvalidInput) else 1)


if __name__ == "__main__":
    main()
