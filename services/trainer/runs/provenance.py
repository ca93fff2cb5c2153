"""Provenance of a run: code revision, machine and library versions."""

import platform
import subprocess
from pathlib import Path

import torch
import torchvision

UNKNOWN = "unknown"


def environment(device: torch.device) -> dict[str, str]:
    """Return facts that a run's figures may depend on, besides recipe and data."""
    is_gpu = device.type == "cuda"
    return {
        "git_revision": _git_revision(Path(__file__).parent),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": str(torchvision.__version__),
        "platform": platform.platform(terse=True),
        "device": torch.cuda.get_device_name(device) if is_gpu else device.type,
        "threads": str(torch.get_num_threads()),
    }


def _git_revision(folder: Path) -> str:
    """Return the checkout's commit, marked dirty if files differ; unknown outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return UNKNOWN
    return answer.stdout.strip() or UNKNOWN
