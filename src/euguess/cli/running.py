"""`euguess up`, `down`, `demo` and `doctor`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from euguess.cli.demo import run_demo, run_demo_once
from euguess.process.programs import find_java, find_redis
from euguess.settings import HomeSettings, ServiceSettings
from euguess.stack.credentials import load_credentials
from euguess.stack.doctor import Check, examine
from euguess.stack.local import local_stack
from euguess.stack.plan import DEFAULT_PORT_BASE, Port, StackPlan
from euguess.stack.state import end_stack, running_stack
from euguess.terminal.output import console, print_json

PortBase = Annotated[
    int,
    typer.Option(min=1024, max=65000, help="First of the 8 ports that the stack uses"),
]
Fetchers = Annotated[int, typer.Option(min=1, help="Number of fetcher processes")]
ExitAfterDemo = Annotated[
    bool, typer.Option("--exit-after-demo", help="Run the demo, then stop the stack")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the main application."""
    for command in (up, down, demo, doctor):
        app.command()(command)


def up(
    with_demo: Annotated[
        bool, typer.Option("--demo", help="Collect, train, serve and query a small dataset")
    ] = False,
    exit_after_demo: ExitAfterDemo = False,
    port_base: PortBase = DEFAULT_PORT_BASE,
    fetchers: Fetchers = 2,
) -> None:
    """Start the stack as local processes and stop it on Ctrl-C.

    Runs Redis, MLflow, the imagery simulator, sampler, fetchers, trainer, TorchServe and dashboard.
    Data, logs and credentials stay in .euguess (EUGUESS_HOME). Commands without a stack use the
    same datasets, runs and models.
    """
    home = HomeSettings().home.resolve()
    plan = _plan(home, port_base, fetchers)
    with _terminating_like_ctrl_c(), local_stack(plan, _announce) as supervisor:
        if with_demo or exit_after_demo:
            run_demo()
        _announce_addresses(plan)
        if exit_after_demo:
            return
        console.print("Press Ctrl-C to stop the stack.")
        try:
            supervisor.wait()
        except KeyboardInterrupt:
            _announce("stopping")


def demo(
    once: Annotated[
        bool,
        typer.Option("--once", help="Use the configured stack, and only if it has no champion yet"),
    ] = False,
    exit_after_demo: ExitAfterDemo = False,
    port_base: PortBase = DEFAULT_PORT_BASE,
    fetchers: Fetchers = 2,
) -> None:
    """Collect, train, serve and query a small dataset in the running stack or a new one."""
    if once:
        run_demo_once()
        return
    if running_stack(HomeSettings().home.resolve()) is not None:
        run_demo()
        console.print(f"Dashboard: {ServiceSettings.load().dashboard_url}")
        return
    up(with_demo=True, exit_after_demo=exit_after_demo, port_base=port_base, fetchers=fetchers)


def down() -> None:
    """Stop the stack of this home, including the leftovers of a killed one."""
    home = HomeSettings().home.resolve()
    console.print(
        "The stack has stopped." if end_stack(home) else f"No stack is running in {home}."
    )


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show what this machine has, what is missing and how to install it."""
    findings = examine()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        console.print(_findings_table(findings))
    if any(finding.is_needed and not finding.is_there for finding in findings):
        raise typer.Exit(1)


def _plan(home: Path, port_base: int, fetchers: int) -> StackPlan:
    redis, java = find_redis(), find_java()
    for program in (redis, java):
        _announce(f"using {program.name} {program.version} from {program.origin}")
    return StackPlan(
        home=home,
        port_base=port_base,
        credentials=load_credentials(home),
        redis_program=redis,
        fetchers=fetchers,
    )


def _announce(text: str) -> None:
    console.print(f"[dim]stack:[/dim] {text}", highlight=False)


def _announce_addresses(plan: StackPlan) -> None:
    console.print(f"Dashboard:  {plan.address(Port.DASHBOARD)}")
    console.print(f"Sampler:    {plan.address(Port.SAMPLER)}/docs")
    console.print(f"TorchServe: {plan.address(Port.INFERENCE)}/predictions/euguess")
    console.print(f"MLflow:     {plan.address(Port.MLFLOW)}")


def _findings_table(findings: list[Check]) -> Table:
    table = Table()
    for name in ("", "requirement", "found", "if missing"):
        table.add_column(name)
    for finding in findings:
        mark = "[green]✓[/green]" if finding.is_there else "[red]✗[/red]"
        table.add_row(mark, finding.part, finding.found, finding.advice)
    return table


@contextmanager
def _terminating_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal stop the stack as Ctrl-C does.

    Sets Ctrl-C too, which shells ignore in background jobs.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
