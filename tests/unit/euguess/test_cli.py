"""The command line: output and errors."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from euguess.cli.main import app
from euguess.process.exits import run_command
from euguess.stack.state import publish_addresses, record_processes, remove_state

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `euguess` with arguments; returns exit code, standard output and standard error."""

    def run_euguess(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["euguess", *arguments])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            run_command(app, name="euguess")
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run_euguess


def test_countries_are_listed_in_label_order(run: Run) -> None:
    code, out, _ = run("countries", "--json")
    rows = json.loads(out)["countries"]
    assert code == 0
    assert [rows[i]["country_code"] for i in (0, 11, 31)] == ["AL", "MK", "TR"]
    assert sum(row["quota"] for row in rows) == 14_260


def test_countries_are_shown_as_a_table(run: Run) -> None:
    _, out, _ = run("countries", "--preset", "europe")
    assert "Ireland" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("countries", "--preset", "asia"), "eu32, europe"),
        (("dataset", "create", "demo", "--countries", "FR,XX"), "Unknown code XX."),
        (
            ("dataset", "create", "demo", "--countries", "FR,UK"),
            "Unknown code UK. Did you mean GB (Great Britain)?",
        ),
        (
            ("dataset", "create", "demo", "--countries", "IE"),
            "IE (Ireland) is not in this preset.",
        ),
        (("dataset", "create", "a/b", "--countries", "FR"), "is not a valid name"),
        (("dataset", "create", "demo", "--countries", "FR", "--per-country", "0"), "quotas.FR"),
        (("dataset", "create", "demo", "--countries", "FR", "--per-country", "-5"), "quotas.FR"),
        (("dataset", "create", "demo", "--headings", "360"), "headings"),
        (("dataset", "create", "demo", "--headings", "north"), "whole degrees"),
        (("predict", "missing.jpg"), "No such file"),
    ],
)
def test_bad_input_is_refused_with_the_reason(
    run: Run, arguments: tuple[str, ...], reason: str
) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert reason in err
    assert "Traceback" not in err


def test_without_a_stack_collecting_says_how_to_start_one(run: Run) -> None:
    code, _, err = run("dataset", "create", "demo", "--countries", "FR", "--per-country", "1")
    assert code == 1
    assert "euguess up" in err


def test_without_a_stack_status_reads_the_folder_store(run: Run) -> None:
    code, out, _ = run("dataset", "status", "--json")
    assert (code, json.loads(out)) == (0, [])


def test_datasets_are_listed(run: Run) -> None:
    code, out, _ = run("dataset", "list", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "euguess dataset import" in run("dataset", "list")[1]


def test_the_token_of_the_inference_server_is_printed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key_file = tmp_path / "key_file.json"
    key_file.write_text(json.dumps({"inference": {"key": "secret"}}))
    monkeypatch.setenv("EUGUESS_INFERENCE_KEY_FILE", str(key_file))
    assert run("key") == (0, "secret\n", "")


def test_the_dashboard_is_opened_and_its_address_printed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("EUGUESS_DASHBOARD_URL", "http://127.0.0.1:9000")
    assert run("open", "--print") == (0, "http://127.0.0.1:9000\n", "")
    assert opened == []
    run("open")
    assert opened == ["http://127.0.0.1:9000"]


@pytest.mark.parametrize("command", ["key", "open"])
def test_without_a_stack_addresses_say_how_to_start_one(run: Run, command: str) -> None:
    code, _, err = run(command)
    assert code == 1
    assert "euguess up" in err


def test_doctor_names_the_ports_of_the_running_stack(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euguess.stack.doctor.running_stack", lambda _home: 4711)
    monkeypatch.setenv("EUGUESS_DASHBOARD_URL", "http://127.0.0.1:9100")
    findings = json.loads(run("doctor", "--json")[1])
    ports = next(one for one in findings if one["part"].startswith("ports"))
    assert (ports["part"], ports["found"]) == (
        "ports 9100-9107",
        "in use by the running stack (process 4711)",
    )


def test_an_unknown_dataset_is_named(run: Run) -> None:
    code, _, err = run("dataset", "status", "missing")
    assert code == 1
    assert "missing" in err


def test_a_store_that_is_down_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STORE_URL": "s3://euguess",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "canary-secret",
    }.items():
        monkeypatch.setenv(f"EUGUESS_{name}", value)
    code, _, err = run("dataset", "status")
    assert code == 1
    assert "EUGUESS_" in err or "euguess up" in err
    assert "canary-secret" not in err


def test_redis_that_is_down_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUGUESS_REDIS_URL", "redis://:canary-secret@127.0.0.1:9/0")
    code, _, err = run("dataset", "rebuild", "demo")
    assert code == 1
    assert "Redis does not answer" in err
    assert "canary-secret" not in err


def test_torchserve_that_is_down_is_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    monkeypatch.setenv("EUGUESS_INFERENCE_URL", "http://127.0.0.1:9")
    code, _, err = run("predict", str(tmp_path / "photo.jpg"))
    assert code == 1
    assert "TorchServe at" in err


def test_down_without_a_stack_is_harmless(run: Run) -> None:
    code, out, _ = run("down")
    assert code == 0
    assert "No stack is running" in out


def test_doctor_finds_what_the_stack_needs(run: Run) -> None:
    _, out, _ = run("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(out)}
    assert findings["Redis"]["is_there"]
    assert findings["Java"]["is_there"]


@pytest.fixture
def troubled_stack(home: Path) -> Iterator[None]:
    """This process in the place of a stack on other ports, whose Redis does not respond."""
    record_processes(home, {}, {"redis": "does not respond"})
    publish_addresses(home, {"EUGUESS_DASHBOARD_URL": "http://127.0.0.1:24500"})
    yield
    remove_state(home)


@pytest.mark.usefixtures("troubled_stack")
def test_up_names_what_is_wrong_with_the_running_stack(run: Run) -> None:
    code, _, error = run("up")
    assert code == 1
    assert "redis: does not respond. To restart it: euguess down, then euguess up" in error


def test_a_plan_quotes_a_collection_without_any_server(run: Run) -> None:
    options = ("--provider", "google", "--per-country", "100", "--budget-dollars", "50")
    code, out, _ = run("dataset", "plan", *options, "--json")
    found = json.loads(out)
    assert (code, found["images"], found["dollars"]) == (0, 9600, 67.2)
    assert (found["shortage"], found["places_in_budget"]) == (
        "the budget of $50.00 is spent",
        2380,
    )
    assert "covers only 2,380 of 3,200 places" in run("dataset", "plan", *options)[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("plan", "--budget-images", "-1"), "images: "),
        (("plan", "--provider", "other"), "No price is known"),
        (("budget", "demo", "--unlimited", "--images", "3"), "either --unlimited or a budget"),
    ],
)
def test_an_impossible_budget_is_refused_in_one_sentence(
    run: Run, options: tuple[str, ...], reason: str
) -> None:
    code, _, error = run("dataset", *options)
    assert code != 0
    assert reason in error
    assert "Traceback" not in error


def test_the_first_run_can_be_turned_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUGUESS_FIRST_RUN", "off")
    code, out, _ = run("demo", "--once")
    assert (code, out) == (0, "EUGUESS_FIRST_RUN is off; nothing to do.\n")


def test_help_does_not_import_heavy_libraries() -> None:
    heavy = "{'PIL', 'minio', 'numpy', 'pyarrow', 'redis', 'shapely'}"
    code = f"import sys, euguess.cli.main; print(*{heavy} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "\n"), answer.stderr
