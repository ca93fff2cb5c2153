"""`make gpu-check`: the script runs to its end with few packages, and says if there is no GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "gpu" / "check.py"
# Hides packages, as if they were not installed.
BARE = """
import runpy, sys
from importlib.abc import MetaPathFinder

HIDDEN = {hidden}

class Hiding(MetaPathFinder):
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
sys.argv = {argv}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NOT_NEEDED = (
    *("mlflow", "celery", "onnx", "onnxruntime", "optuna", "sklearn", "pandas", "captum", "timm"),
    *("pyarrow", "pyproj", "rich", "safetensors", "scipy", "shapely", "tomli_w"),
    *("httpx", "filelock", "obstore", "minio", "redis", "pydantic_settings", "typer"),
)


def run_check(*arguments: str, hidden: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    code = BARE.format(hidden=hidden, argv=[str(SCRIPT), *arguments])
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_whole_check_runs_at_small_sizes_without_the_trainers_other_packages(
    tmp_path: Path,
) -> None:
    out = tmp_path / "results" / "gpu-check.json"
    done = run_check("--cpu", "--out", str(out), hidden=NOT_NEEDED)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert result["is_a_smoke_test"]
    assert result["is_complete"]
    assert "pyarrow" in result["not_installed"]
    rows = {row["what"]: row for row in result["rows"]}
    assert all(row["what"] in done.stdout for row in result["rows"])
    assert rows["loss curve, fp32"]["value"] == 0.0
    assert rows["loss curve, fp16"]["is_right"]
    networks = ("customnet", "googlenet", "vgg16", "resnet50", "efficientnet_b4")
    assert all(rows[f"{name} at 64 px, fp32"]["value"] > 0 for name in networks)


def test_the_check_stops_when_its_time_is_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    out = tmp_path / "gpu-check.json"
    done = run_check("--cpu", "--seconds", "0", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "the rest was not measured" in done.stdout
    result = json.loads(out.read_text())
    assert not result["is_complete"]
    assert len(result["rows"]) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_check_says_so_and_measures_nothing(tmp_path: Path) -> None:
    out = tmp_path / "gpu-check.json"
    done = run_check("--out", str(out))
    assert done.returncode == 2
    assert "finds no CUDA device, so nothing was measured" in done.stderr
    assert not out.exists()
