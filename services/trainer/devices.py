"""Choice of the device, and of the number of CPU threads."""

import os
from pathlib import Path

import torch
from torch import nn

from euguess.errors import InvalidInput

AUTO = "auto"
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <period>" or "max <period>"


def choose_device(name: str = AUTO) -> torch.device:
    """Return the device auto, cpu, cuda, cuda:1, mps ... Raises InvalidInput if unavailable."""
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InvalidInput(
            f"The device {name!r} is not available here; use auto, cpu"
            + (", cuda." if torch.cuda.is_available() else " (there is no GPU).")
        ) from None
    return device


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network, in channels_last order."""
    return network.to(device).to(memory_format=torch.channels_last)


def use_available_cores(processes: int = 1) -> int:
    """Let torch use the cores that this process may use, within a container's limit.

    They are shared evenly by the given number of processes.
    """
    cores = max(1, min(_usable_cores(), quota_cores(CPU_QUOTA)) // processes)
    torch.set_num_threads(cores)
    return cores


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota_cores(path: Path) -> int:
    """Return the cores of a container; torch sees the host's, and surplus threads slow it down."""
    unlimited = os.cpu_count() or 1
    if not path.is_file():
        return unlimited
    quota, _, period = path.read_text().strip().partition(" ")
    return unlimited if quota == "max" else max(1, round(int(quota) / int(period)))
