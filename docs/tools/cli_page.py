"""The reference page of the command lines."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from dashboard.__main__ import run as dashboard_run
from docs.tools.markdown import page
from euguess.cli.main import app as euguess_app
from euguess.deployment.__main__ import app as deployment_app
from services.fetcher.__main__ import app as fetcher_app
from services.inference.__main__ import app as inference_app
from services.sampler.__main__ import run as sampler_run
from services.simulator.__main__ import app as simulator_app
from services.trainer.__main__ import app as trainer_app

INTRODUCTION = """\
The commands of `euguess`. `--help` prints the same text.

Exit codes: 0 success, 1 failure, 2 invalid input, 130 stopped with Ctrl-C."""

SERVICES = """\
`euguess up` and the containers start these programs; users do not need them. Trainer commands that
`euguess` also has are described in [Command line](cli.md)."""


def render() -> str:
    """Return the page of the command `euguess`."""
    euguess = _command(euguess_app)
    _resolve_pass_through(euguess, _command(trainer_app).commands)
    return page("Command line", INTRODUCTION, _program("euguess", euguess))


def render_services() -> str:
    """Return the page of the services' own programs."""
    sections = (_program(f"python -m {name}", command) for name, command in _services())
    return page("Commands of the services", SERVICES, *sections)


def _services() -> Iterator[tuple[str, Any]]:
    trainer = _command(trainer_app)
    offered = {command.name for command in _leaves(_command(euguess_app))}
    trainer.commands = {n: c for n, c in trainer.commands.items() if n not in offered}
    yield "services.sampler", _single(sampler_run)
    yield "services.fetcher", _command(fetcher_app)
    yield "services.trainer", trainer
    yield "services.inference", _command(inference_app)
    yield "services.simulator", _command(simulator_app)
    yield "dashboard", _single(dashboard_run)
    yield "euguess.deployment", _command(deployment_app)


def _leaves(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield from _leaves(command) if hasattr(command, "commands") else (command,)


def _resolve_pass_through(group: Any, service_commands: dict[str, Any]) -> None:
    """Replace pass-through commands by the service's own ones."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            _resolve_pass_through(command, service_commands)
        elif command.context_settings.get("ignore_unknown_options"):
            group.commands[name] = service_commands[name]


def _command(app: typer.Typer) -> Any:  # the type of Typer's commands is private
    return get_command(app)


def _single(function: Any) -> Any:
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return get_command(app)


def _program(name: str, command: Any) -> str:
    for leaf in _leaves(command) if hasattr(command, "commands") else ():
        leaf.short_help = (leaf.help or "").partition("\n\n")[0].replace("\n", " ")
    context = typer.Context(command, info_name=name)
    text = get_docs_for_click(obj=command, ctx=context, name=name)
    lines = (line.rstrip() for line in text.strip().splitlines())
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines)
