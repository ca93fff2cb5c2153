"""Commands of the image `setup`: python -m euguess.deployment."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from euguess.deployment import backup_commands, bucket, secret_files, volumes
from euguess.process.exits import run_program
from euguess.settings import StoreSettings
from euguess.terminal.output import messages

app = typer.Typer(
    help="One-shot jobs of the containers. docker-compose.yml runs them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
backup_commands.register(app)


@app.command()
def prepare(
    given: Annotated[Path, typer.Option(help="Folder with the user's secrets")] = Path("/given"),
    target: Annotated[Path, typer.Option(help="Folder for the secrets")] = Path("/run/secrets"),
    own: Annotated[Path, typer.Option(help="Folder that holds the volumes")] = Path("/volumes"),
    min_free_gb: Annotated[float, typer.Option(min=0, help="Minimum free disk space")] = 5.0,
) -> None:
    """Write the secrets and make the services the owners of the volumes. Runs as root."""
    volumes.require_room(target, min_free_gb)
    if not bucket.is_bundled(StoreSettings.load()):
        secret_files.require_s3_keys(given)
    made = secret_files.write_secrets(given, target)
    volumes.chown_volumes(own)
    messages.print(f"new secrets: {', '.join(made)}" if made else "no new secrets needed")


@app.command()
def store() -> None:
    """Create the bucket and, on the bundled MinIO, an account restricted to it."""
    messages.print(bucket.set_up(StoreSettings.load(), bucket.MinioRootSettings.load()))


if __name__ == "__main__":
    run_program(app, name=sys.argv[1] if len(sys.argv) > 1 else "setup")
