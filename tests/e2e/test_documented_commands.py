"""Commands from the README and the tutorials, run as a reader would run them."""

import csv
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from euguess.settings import child_environment
from euguess.stack.plan import DEFAULT_PORT_BASE
from tests.e2e.running import PROJECT_ROOT, DemoStack
from tests.support.country_photos import COLOURS, country_photo
from tests.support.documented_commands import (
    BESIDE_THE_STACK,
    RUN_HERE,
    WITHOUT_A_STACK,
    documented_commands,
)

PLACES, HEADINGS = range(8), (0, 180)
INFERENCE_PORT = 8703
SECONDS = 600  # on a machine that runs other tests too

pytestmark = pytest.mark.timeout(1200)


def commands(where: str) -> list[str]:
    return [command for command in documented_commands() if RUN_HERE.get(command) == where]


def checkout(folder: Path, home: Path) -> Path:
    """A folder like a reader's checkout: command, recipes, home and photos."""
    program = folder / ".venv" / "bin" / "euguess"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m euguess.cli "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "experiments").symlink_to(PROJECT_ROOT / "experiments")
    (folder / ".euguess").symlink_to(home)
    for name, heading in (("a.jpg", 0), ("b.jpg", 120)):
        (folder / name).write_bytes(country_photo("FR", "a place", heading))
    return folder


def add_labelled_photos(folder: Path) -> None:
    """Add photos by country, and a CSV file that groups them by place."""
    rows = []
    for country_code in COLOURS:
        (folder / "photos" / country_code).mkdir(parents=True)
        views = [(place, heading) for place in PLACES for heading in HEADINGS]
        for number, (place, heading) in enumerate(views, start=1):
            path = Path("photos") / country_code / f"{number}.jpg"
            name = f"{country_code}-{place}"
            (folder / path).write_bytes(country_photo(country_code, name, heading))
            rows.append((path, country_code, "", "", heading, name))
    with (folder / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "country_code", "lat", "lon", "heading", "location_id"))
        writer.writerows(rows)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        env=child_environment(EUGUESS_HOME=os.path.realpath(folder / ".euguess"), COLUMNS="160"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def beside_the_stack(demo_stack: DemoStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("tour"), demo_stack.home)


@pytest.fixture(scope="module")
def without_a_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home-without-a-stack")
    folder = checkout(tmp_path_factory.mktemp("photos-of-mine"), home)
    add_labelled_photos(folder)
    return folder


@pytest.mark.parametrize("command", commands(BESIDE_THE_STACK))
def test_a_command_works_beside_the_stack(
    beside_the_stack: Path, demo_stack: DemoStack, command: str
) -> None:
    port = str(demo_stack.port_base + INFERENCE_PORT - DEFAULT_PORT_BASE)
    answer = run(command.replace(str(INFERENCE_PORT), port), beside_the_stack)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.strip()


@pytest.mark.parametrize("command", commands(WITHOUT_A_STACK))
def test_a_command_works_without_a_stack(without_a_stack: Path, command: str) -> None:
    answer = run(command, without_a_stack)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.strip()
