"""Options and output shared by the commands; imports nothing slow."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_json
from rich.console import Console

from euguess.settings import HomeSettings, MlflowSettings, StoreSettings

if TYPE_CHECKING:
    from services.trainer.cache.decoding import OnDamage
    from services.trainer.session import Session
    from services.trainer.tracking.runs import Tracking
    from services.trainer.tracking.versions import Registry

console = Console()
messages = Console(stderr=True)

Dataset = Annotated[str, typer.Argument(help="Name of a collected or imported dataset")]
RecipeFile = Annotated[Path, typer.Option("--recipe", help="TOML file, e.g. experiments/demo.toml")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key: --set epochs=3 --set optimizer.name=sgd"),
]
Protocol = Annotated[
    str | None,
    typer.Option(help="image (the study's, leaky), location, location+buffer or spatial"),
]
Promote = Annotated[
    bool, typer.Option("--promote", help="Promote the model if it beats the champion")
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume after the last finished epoch")]
Device = Annotated[str, typer.Option(help="auto (a GPU if available), cpu, cuda, cuda:1 ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Skip photos that cannot be decoded")
]


def print_json(value: Any) -> None:
    sys.stdout.write(to_json(value, indent=2).decode() + "\n")


def open_session(device: str) -> "Session":
    """Open a session with the settings of this process."""
    from services.trainer import session

    return session.open_session(
        HomeSettings().home, StoreSettings.load(), MlflowSettings.load(), device, messages
    )


def open_records() -> "tuple[Tracking, Registry]":
    """Open only runs and versions, without importing torch."""
    from services.trainer.tracking.runs import open_tracking
    from services.trainer.tracking.versions import Registry

    tracking = open_tracking(MlflowSettings.load().url, HomeSettings().home)
    return tracking, Registry(tracking.client)


def damage_policy(skip_damaged: bool) -> "OnDamage":
    from services.trainer.cache.decoding import OnDamage

    return OnDamage.SKIP if skip_damaged else OnDamage.RAISE


def with_protocol(overrides: list[str] | None, protocol: str | None) -> list[str]:
    """Return the overrides, plus one for --protocol if given."""
    return [*(overrides or []), *([f"split.protocol={protocol}"] if protocol else [])]
