"""Choosing a device and the number of threads."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from euguess.errors import InvalidInput
from euguess.process.project import project_root, service_environment
from services.trainer.devices import (
    choose_device,
    quota_cores,
    set_up_device,
    training_arithmetic,
)


def test_auto_finds_some_device() -> None:
    assert choose_device().type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "cpu:cpu"])
def test_an_unavailable_device_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not available"):
        choose_device(name)


@pytest.mark.parametrize(("text", "cores"), [("200000 100000", 2), ("50000 100000", 1)])
def test_a_containers_quota_limits_the_threads(tmp_path: Path, text: str, cores: int) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(f"{text}\n")
    assert quota_cores(path) == cores


@pytest.mark.parametrize("text", ["max 100000", None])
def test_without_a_quota_there_is_no_limit(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "cpu.max"
    if text:
        path.write_text(text)
    assert quota_cores(path) >= torch.get_num_threads()


def fp32_precisions() -> tuple[str, str]:
    return (
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
    )


@pytest.fixture
def arithmetic() -> Iterator[None]:
    """Restore how GPUs calculate."""
    before, is_tried = fp32_precisions(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = is_tried
    torch.backends.cuda.matmul.fp32_precision = before[0]
    torch.backends.cudnn.conv.fp32_precision = before[1]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("arithmetic")
def test_a_gpu_trains_by_tf32_and_tests_by_exact_fp32() -> None:
    set_up_device(torch.device("cuda"), is_repeatable=False)
    assert torch.backends.cudnn.benchmark
    assert fp32_precisions() == ("ieee", "ieee")
    with training_arithmetic():
        assert fp32_precisions() == ("tf32", "tf32")
    assert fp32_precisions() == ("ieee", "ieee")


@pytest.mark.usefixtures("arithmetic")
def test_repeatable_runs_on_a_gpu_use_neither_tf32_nor_trials_of_algorithms() -> None:
    set_up_device(torch.device("cuda"), is_repeatable=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    with training_arithmetic():
        assert fp32_precisions() == ("ieee", "ieee")


@pytest.mark.usefixtures("arithmetic")
def test_a_cpu_is_left_as_it_is() -> None:
    before = fp32_precisions(), torch.backends.cudnn.benchmark
    set_up_device(torch.device("cpu"), is_repeatable=True)
    assert not torch.are_deterministic_algorithms_enabled()
    assert (fp32_precisions(), torch.backends.cudnn.benchmark) == before


REPEATED_TENSORS = """
import resource, sys, torch
from services.trainer.devices import reuse_freed_memory
if sys.argv[1] == "reused":
    assert reuse_freed_memory()
for _ in range(20):
    torch.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
TENSOR_PAGES = (8 << 20) * 4 // 4096


def page_faults(memory: str) -> int:
    answer = subprocess.run(
        (sys.executable, "-c", REPEATED_TENSORS, memory),
        env=service_environment(),
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(answer.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_memory_of_large_tensors_is_reused_without_new_page_faults() -> None:
    saved = page_faults("returned") - page_faults("reused")
    assert saved > 10 * TENSOR_PAGES
