"""Commands of the inference service; the composition root of its processes."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from euguess.errors import InvalidInput
from euguess.messages.records import MAX_VIEWS
from euguess.process.exits import run_program
from euguess.process.logs import configure_logging
from euguess.process.ports import LOOPBACK, free_ports
from euguess.process.programs import find_java
from euguess.process.project import service_command, service_environment
from euguess.settings import HomeSettings, MlflowSettings, ProgramSettings
from euguess.terminal import explanations
from euguess.terminal.output import console, prediction_table, print_json
from services.inference import local, readiness, supervision
from services.inference.agent import Agent, AgentOptions
from services.inference.archive import ArchiveOptions, build_archive
from services.inference.configuration import ServingOptions
from services.inference.model_package import InvalidModel
from services.inference.model_registry import MlflowRegistry
from services.inference.model_store import ModelStore
from services.inference.server import Command

app = typer.Typer(
    help="Serve the champion of the model registry with TorchServe.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _log_as_a_service() -> None:
    configure_logging("inference")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the agent logs it once itself


def working_directory() -> Path:
    """Return the private folder of TorchServe and its agent; key_file.json holds the tokens."""
    return (HomeSettings().home / "inference").resolve()


Port = Annotated[int, typer.Option(help="Port for predictions")]
Host = Annotated[str, typer.Option(help="Address for predictions")]
ManagementPort = Annotated[int, typer.Option(help="Management port; always on loopback")]
MetricsPort = Annotated[int, typer.Option(help="Port for Prometheus; always on loopback")]
ClientTokenFile = Annotated[
    Path | None, typer.Option(help="Write the token for predictions, and no other, to this file")
]
Photos = Annotated[list[Path], typer.Argument(help=f"1 to {MAX_VIEWS} photos of ONE place")]
Model = Annotated[str, typer.Option(help="Folder of a model package, or champion")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Worker processes; one per core")]
Poll = Annotated[float, typer.Option(min=0.1, help="Seconds between checks of the registry")]


@app.command()
def serve(
    port: Port = 8080,
    host: Host = LOOPBACK,
    management_port: ManagementPort = 8081,
    metrics_port: MetricsPort = 8082,
    client_token: ClientTokenFile = None,
    workers: Workers = 1,
    poll_seconds: Poll = 5.0,
) -> None:
    """Run TorchServe and the agent that follows the champion, until SIGTERM or Ctrl-C.

    Clients need the token in EUGUESS_HOME/inference/key_file.json, which changes at each start.
    """
    _log_as_a_service()
    first, second = free_ports(2)
    options = ServingOptions(
        home=working_directory(),
        host=host,
        port=port,
        management_port=management_port,
        metrics_port=metrics_port,
        grpc_ports=(first, second),
        client_token=client_token,
    )
    supervision.serve(find_java().path, options, _agent_command(workers, poll_seconds))


def _agent_command(workers: int, poll_seconds: float) -> Command:
    arguments = ("agent", "--workers", str(workers), "--poll-seconds", str(poll_seconds))
    environment = service_environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
    return Command(
        "model agent", tuple(service_command("inference", *arguments)), Path.cwd(), environment
    )


@app.command()
def agent(workers: Workers = 1, poll_seconds: Poll = 5.0) -> None:
    """Follow the champion for a running TorchServe; `serve` starts this itself."""
    _log_as_a_service()
    home = working_directory()
    Agent(
        MlflowRegistry(MlflowSettings.load().url),
        readiness.connect(home),
        ModelStore(home / "store", home / "served.json"),
        AgentOptions(poll_seconds=poll_seconds, archive=ArchiveOptions(workers=workers)),
    ).run()


@app.command()
def predict(
    images: Photos,
    model: Model = local.CHAMPION_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Predict the country of a place in this process, without TorchServe."""
    views = [_read(path) for path in images]
    prediction = local.predict(_package(model), views)
    if as_json:
        print_json(prediction)
    else:
        console.print(prediction_table(prediction))


@app.command()
def explain(
    images: Photos,
    model: Model = local.CHAMPION_MODEL,
    out: Annotated[Path, typer.Option(help="Folder for the pictures")] = explanations.FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Explain a prediction by heat maps and the effect of each photo, without TorchServe."""
    views = [_read(path) for path in images]
    found = local.explain(_package(model), views)
    explanations.show(found, views, images, out, as_json=as_json)


@app.command()
def archive(
    model: Annotated[Path, typer.Argument(help="Folder of a model package")],
    out: Annotated[Path, typer.Argument(help="New folder or .mar file")],
    workers: Workers = 1,
) -> None:
    """Build a TorchServe archive from a model package."""
    console.print(f"{build_archive(model, out, ArchiveOptions(workers=workers))}")


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the prediction as JSON")] = False,
) -> None:
    """Check that the model is loaded and can predict a photo; exit code 1 if not."""
    prediction = readiness.connect(working_directory()).check()
    if as_json:
        print_json(prediction)
    else:
        console.print(f"ready: serving version {prediction.model.version}")


def _package(model: str) -> Path:
    if model != local.CHAMPION_MODEL:
        return Path(model)
    registry = MlflowRegistry(MlflowSettings.load().url)
    return local.champion_package(registry, working_directory() / "packages")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> None:
    """Run a command. Raises InvalidInput for an invalid model package."""
    try:
        app(arguments, prog_name=program)
    except InvalidModel as error:
        raise InvalidInput(str(error)) from None


if __name__ == "__main__":
    called = ProgramSettings().program
    run_program(partial(main, program=called), name=called or "inference")
