"""Choose and set up the device, copy to it, and set up the CPU: its threads and memory."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euguess.errors import InvalidInput

AUTO = "auto"
KEPT_BYTES = 1 << 30
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of mallopt, in glibc's malloc.h
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <period>" or "max <period>"


def choose_device(name: str = AUTO) -> torch.device:
    """Return a device by name: auto, cpu, cuda, cuda:1, mps. Raises InvalidInput if unavailable."""
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InvalidInput(
            f"The device {name!r} is not available. "
            + ("Use auto, cpu or cuda." if torch.cuda.is_available() else "Use cpu: no GPU found.")
        ) from None
    return device


def set_up_device(device: torch.device, *, is_repeatable: bool) -> None:
    """Choose how a GPU calculates, for this process; nothing changes on a CPU.

    Convolutions use the algorithm that is fastest in a trial at the first batch. is_repeatable: no
    trials, only algorithms with the same result each time, and no TF32; torch warns if there is
    none. Products are exact fp32 outside of `training_arithmetic`.
    """
    if device.type != "cuda":
        return
    torch.backends.cudnn.benchmark = not is_repeatable
    torch.use_deterministic_algorithms(is_repeatable, warn_only=True)
    for products in _fp32_products():
        products.fp32_precision = "ieee"


@contextmanager
def training_arithmetic() -> Iterator[None]:
    """Let GPUs calculate fp32 products by TF32 in the body, unless they must be repeatable.

    TF32 rounds factors to 10 bits and is several times faster. It is for training only: tests and
    served models must agree.
    """
    before = [products.fp32_precision for products in _fp32_products()]
    if not torch.are_deterministic_algorithms_enabled():
        for products in _fp32_products():
            products.fp32_precision = "tf32"
    try:
        yield
    finally:
        for products, precision in zip(_fp32_products(), before, strict=True):
            products.fp32_precision = precision


def _fp32_products() -> tuple[Any, Any]:
    """Return torch's settings of matrix products and of convolutions on GPUs."""
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """Copy to memory from which a GPU reads by itself; for other devices, return the values."""
    return values.pin_memory() if device.type == "cuda" else values


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Copy from main memory to a device without waiting for the work that it has queued."""
    return pinned(values, device).to(device, non_blocking=device.type == "cuda")


def filled(values: Sequence[float], device: torch.device) -> Tensor:
    """Make a vector on a device without a copy from main memory, unlike torch.tensor."""
    return torch.stack([torch.full((), value, device=device) for value in values])


def random_numbers(device: torch.device, seed: int) -> torch.Generator:
    """Return a seeded generator of random numbers on a device."""
    return torch.Generator(device).manual_seed(seed)


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in channels_last memory format."""
    return network.to(device).to(memory_format=torch.channels_last)


def use_available_cores(processes: int = 1) -> int:
    """Let torch use the cores available to this process, within the container's CPU quota.

    The cores are divided evenly among the given number of processes. Returns the cores of each.
    """
    cores = max(1, min(_usable_cores(), quota_cores(CPU_QUOTA)) // processes)
    torch.set_num_threads(cores)
    return cores


def reuse_freed_memory() -> bool:
    """Let this process keep up to 1 GiB of memory that it frees, and reuse it.

    By default, glibc returns each large tensor to the system and asks for it again at the next
    batch; that cost as much CPU time as computing the features of EfficientNet-Lite0 at 320 pixels.
    Returns False where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, KEPT_BYTES) for name in (TRIM_THRESHOLD, MMAP_THRESHOLD))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota_cores(path: Path) -> int:
    """Return the container's CPU quota in cores; without it, torch would use all of the host's."""
    unlimited = os.cpu_count() or 1
    if not path.is_file():
        return unlimited
    quota, _, period = path.read_text().strip().partition(" ")
    return unlimited if quota == "max" else max(1, round(int(quota) / int(period)))
