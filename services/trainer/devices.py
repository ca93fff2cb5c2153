"""Choose the device and the number of CPU threads."""

import os
from pathlib import Path

import torch
from torch import nn

from euguess.errors import InvalidInput

AUTO = "auto"
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
