"""The commands that README and tutorials tell a reader to run, and what runs each in a test."""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    PROJECT_ROOT / "README.md",
    PROJECT_ROOT / "docs" / "tutorials" / "first-tour.md",
    PROJECT_ROOT / "docs" / "tutorials" / "own-photos.md",
)
SHELL_BLOCK = re.compile(r"^```(?:bash|sh|console)?\n(.*?)^```$", re.M | re.S)
COMMENT = re.compile(r"\s{2,}# .*$", re.M)
ASSIGNMENT = re.compile(r"^[A-Z_]+=")

BESIDE_THE_STACK, WITHOUT_A_STACK = "beside the stack", "without a stack"
EUGUESS = ".venv/bin/euguess"
KEY = f"KEY=$({EUGUESS} key)"
POST = 'curl -H "Authorization: Bearer $KEY" -H "Content-Type: image/jpeg" --data-binary @a.jpg'

RUN_HERE: dict[str, str] = {
    f"{EUGUESS} dataset plan --countries FR,PL --per-country 10": BESIDE_THE_STACK,
    f"{EUGUESS} dataset create tour --countries FR,PL --per-country 10 --budget-images 100 "
    "--wait": BESIDE_THE_STACK,
    f"{EUGUESS} dataset status tour": BESIDE_THE_STACK,
    f"{EUGUESS} dataset status demo": BESIDE_THE_STACK,
    f"{EUGUESS} dataset budget tour": BESIDE_THE_STACK,
    f"{EUGUESS} train demo --recipe experiments/demo.toml --set epochs=5": BESIDE_THE_STACK,
    f"{EUGUESS} evaluate demo": BESIDE_THE_STACK,
    f"{EUGUESS} leaks demo --recipe experiments/demo.toml": BESIDE_THE_STACK,
    f"{EUGUESS} models runs": BESIDE_THE_STACK,
    f"{EUGUESS} models audit": BESIDE_THE_STACK,
    f"{EUGUESS} models card": BESIDE_THE_STACK,
    f"{EUGUESS} predict a.jpg b.jpg": BESIDE_THE_STACK,
    f"{EUGUESS} explain a.jpg b.jpg --out why": BESIDE_THE_STACK,
    f"{KEY}\n{POST} http://127.0.0.1:8703/predictions/euguess": BESIDE_THE_STACK,
    f"{EUGUESS} doctor": WITHOUT_A_STACK,
    f"{EUGUESS} dataset import mine photos": WITHOUT_A_STACK,
    f"{EUGUESS} dataset import mine-by-place photos.csv": WITHOUT_A_STACK,
    f"{EUGUESS} train mine-by-place --promote": WITHOUT_A_STACK,
    f"{EUGUESS} evaluate mine-by-place": WITHOUT_A_STACK,
    f"{EUGUESS} leaks mine-by-place --recipe experiments/heads/lite0.toml": WITHOUT_A_STACK,
    f"{EUGUESS} predict photos/FR/1.jpg": WITHOUT_A_STACK,
    f"{EUGUESS} explain photos/FR/1.jpg --out why": WITHOUT_A_STACK,
}

RUN_ELSEWHERE: dict[str, str] = {
    "make demo": "tests/e2e/conftest.py::demo_stack",
    f"{EUGUESS} up": "tests/e2e/conftest.py::demo_stack",
    "make setup": ".ci/run::make lint",
    "make test": ".ci/run::make test",
    "docker compose up": "tests/compose/conftest.py::stack",
}


def documented_commands() -> list[str]:
    """Return every command of the pages once, in reading order.

    Continued lines are joined, comments dropped; a variable belongs to the command that uses it.
    """
    found = (command for path in PAGES for command in _commands(path.read_text()))
    return list(dict.fromkeys(found))


def _commands(page: str) -> Iterator[str]:
    for block in SHELL_BLOCK.findall(page):
        variables = ""
        for line in COMMENT.sub("", block.replace("\\\n", " ")).splitlines():
            command = " ".join(line.split())
            if ASSIGNMENT.match(command):
                variables += f"{command}\n"
            elif command:
                yield variables + command
                variables = ""
