"""Command line and composition root of the simulator."""

import errno
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from euguess.errors import PortInUse, UnknownCountry
from euguess.geography.boundaries import Boundaries, load_boundaries
from euguess.process.exits import run_program
from euguess.process.ports import LOOPBACK
from euguess.settings import ProviderSettings
from services.simulator.api.access import Access
from services.simulator.api.app import create_app
from services.simulator.api.counters import Counters
from services.simulator.api.google import StreetView
from services.simulator.faults import FaultMode, FaultScript, parse_fault
from services.simulator.imagery import CachedImagery, Imagery
from services.simulator.photos import PhotoImagery, read_photos
from services.simulator.scenes.renderer import DrawnImagery
from services.simulator.world import Coverage, World

MEGABYTE = 2**20
SHUTDOWN_SECONDS = 1.0

app = typer.Typer(
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)

Port = Annotated[int, typer.Option(min=1, max=65_535)]
Host = Annotated[str, typer.Option(help="Address to listen on")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Each seed gives a different world")]
Share = Annotated[
    float, typer.Option(min=0, max=1, help="Share of 1 km cells that have a panorama")
]
Codes = Annotated[str, typer.Option(metavar="CODES", help="Countries without panoramas: MT,AD")]
PhotoFolder = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Serve photos from a folder: manifest.csv or one folder per country code",
    ),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        help="Fault to simulate: MODE (always), MODE=3 (three times) or MODE=10% (of requests), "
        f"optionally followed by @metadata or @image. Repeatable. Modes: {', '.join(FaultMode)}."
    ),
]
Keys = Annotated[
    list[str] | None, typer.Option(help="Valid API key; default: EUGUESS_SIMULATOR_KEY")
]
SigningSecret = Annotated[
    str, typer.Option(help="Require URL signatures with this secret; URL-safe base64")
]
DeniedStatus = Annotated[
    int, typer.Option(min=200, max=403, help="HTTP status of metadata's REQUEST_DENIED: 200 or 403")
]
Threads = Annotated[int, typer.Option(min=1, max=64, help="Threads that make pictures")]
CacheSize = Annotated[int, typer.Option(min=0, help="Cache for finished pictures, in MB")]


@app.command()
def serve(
    port: Port = 8091,
    host: Host = LOOPBACK,
    seed: Seed = 0,
    coverage: Share = 0.7,
    no_coverage: Codes = "",
    photos: PhotoFolder = None,
    fault: Faults = None,
    key: Keys = None,
    signing_secret: SigningSecret = "",
    denied_status: DeniedStatus = 200,
    threads: Threads = 1,
    cache_mb: CacheSize = 64,
) -> None:
    """A street imagery provider for development: Google's Street View Static API with drawn photos.

    Addresses: /maps/api/streetview/metadata, /maps/api/streetview, /healthz, /counters and
    /faults (GET, POST a JSON list such as [{"mode": "slow", "fraction": 0.1}], DELETE).
    """
    boundaries = load_boundaries()
    locations = read_photos(photos) if photos else None
    imagery: Imagery = PhotoImagery(locations) if locations else DrawnImagery(seed=seed)
    covered = Coverage(coverage, _empty_countries(no_coverage, boundaries, locations))
    street_view = StreetView(
        world=World(seed=seed, coverage=covered, country_map=boundaries),
        imagery=CachedImagery(imagery, threads=threads, cache_bytes=cache_mb * MEGABYTE),
        access=Access(tuple(key) if key else (_default_key(),), signing_secret or None),
        faults=FaultScript(tuple(parse_fault(text) for text in fault or ())),
        counters=Counters(),
        denied_status=denied_status,
    )
    _run(create_app(street_view), host, port)


def _empty_countries(
    no_coverage: str, boundaries: Boundaries, photographed: Collection[str] | None
) -> dict[str, float]:
    """Return a coverage of 0 for each country that is listed or has no photos."""
    empty = {code.strip() for code in no_coverage.split(",") if code.strip()}
    for code in sorted(empty - set(boundaries.codes)):
        raise UnknownCountry(f"--no-coverage: {code!r} is not a country on the map.")
    if photographed is not None:
        empty |= set(boundaries.codes) - set(photographed)
    return dict.fromkeys(empty, 0.0)


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
            access_log=None,  # it would contain keys
            print=None,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(f"Port {port} is taken; choose another one with --port.") from None


if __name__ == "__main__":
    run_program(app, name="simulator")
