"""Every command of README and tutorials is run by a test."""

import pytest

from tests.support.documented_commands import (
    PROJECT_ROOT,
    RUN_ELSEWHERE,
    RUN_HERE,
    documented_commands,
)


def test_each_documented_command_is_run_by_a_test() -> None:
    assert set(documented_commands()) - RUN_HERE.keys() - RUN_ELSEWHERE.keys() == set()


def test_no_command_is_listed_that_no_page_has() -> None:
    assert (RUN_HERE.keys() | RUN_ELSEWHERE.keys()) - set(documented_commands()) == set()


@pytest.mark.parametrize("where", sorted(set(RUN_ELSEWHERE.values())))
def test_what_runs_a_command_elsewhere_exists(where: str) -> None:
    path, _, text = where.partition("::")
    assert text in (PROJECT_ROOT / path).read_text()


def test_make_demo_runs_what_the_stack_of_the_tests_runs() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert "$(BIN)/euguess up --demo" in makefile.partition("\ndemo:")[2].partition("\n\n")[0]
