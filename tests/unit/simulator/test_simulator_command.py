import pytest

from services.simulator.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--fault", "sloow"], 2, "simulator: 'sloow' is no fault"),
        (["--no-coverage", "MT,XX"], 2, "simulator: --no-coverage: there is no country 'XX'"),
    ],
)
def test_mistakes_on_the_command_line_end_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == code
    assert error.startswith(message)
    assert error.count("\n") == 1
