"""Choosing a device and the number of threads."""

from pathlib import Path

import pytest
import torch

from euguess.errors import InvalidInput
from services.trainer.devices import choose_device, quota_cores


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
