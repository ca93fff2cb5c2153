import socket

import pytest

from euguess.process.exits import run_command
from services.simulator.__main__ import app


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: app(arguments), name="simulator")
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault", "sloow"], "simulator: 'sloow' is not a fault"),
        (["--signing-secret", "abc"], "simulator: The signing secret must be URL-safe base64."),
        (["--no-coverage", "MT,XX"], "simulator: --no-coverage: 'XX' is not a country"),
    ],
)
def test_errors_on_the_command_line_take_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, error = error_of(capsys, *arguments)
    assert code == 2
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_a_port_in_use_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, error = error_of(capsys, "--port", str(port))
    assert code == 1
    assert error == f"simulator: Port {port} is taken; choose another one with --port.\n"
