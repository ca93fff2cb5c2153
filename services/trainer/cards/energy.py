"""Estimate of the electricity and CO2 of a training.

Energy is power times hours, and CO2 is energy times the grid's intensity (Lacoste et al.,
Quantifying the Carbon Emissions of Machine Learning, 2019). A GPU is assumed to draw its power
limit throughout, which overestimates; the rest of the machine and cooling are left out.
"""

import subprocess
from dataclasses import dataclass

import torch

from euguess.settings import EnergySettings

SECONDS_PER_HOUR = 3600
GRAMS_PER_KG = 1000
ANSWER_WITHIN_SECONDS = 20


@dataclass(frozen=True)
class Energy:
    """Energy of one training; watts is None if the device's power is unknown."""

    seconds: float
    watts: float | None
    watts_source: str
    grid_grams_per_kwh: float

    @property
    def kwh(self) -> float | None:
        if self.watts is None:
            return None
        return self.watts * self.seconds / SECONDS_PER_HOUR / 1000

    @property
    def co2_kg(self) -> float | None:
        return None if self.kwh is None else self.kwh * self.grid_grams_per_kwh / GRAMS_PER_KG


def estimate_energy(seconds: float, device: torch.device, settings: EnergySettings) -> Energy:
    """Estimate the energy that a device uses in a number of seconds."""
    if device.type == "cuda":
        watts, source = gpu_power_limit(device), "the GPU's power limit"
    elif device.type == "cpu":
        watts, source = settings.cpu_watts, "EUGUESS_CPU_WATTS"
    else:
        watts, source = None, f"no figure is known for {device.type}"
    return Energy(seconds, watts, source, settings.grid_grams_per_kwh)


def gpu_power_limit(device: torch.device) -> float | None:
    """Ask nvidia-smi for the power limit in watts; None if it does not report one."""
    uuid = torch.cuda.get_device_properties(device).uuid
    query = ("--query-gpu=power.limit", "--format=csv,noheader,nounits", f"--id=GPU-{uuid}")
    try:
        answer = subprocess.run(
            ["nvidia-smi", *query],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_WITHIN_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return watts_in(answer.stdout)


def watts_in(answer: str) -> float | None:
    """Parse the output of nvidia-smi; None for [N/A] and similar."""
    try:
        return float(answer.strip())
    except ValueError:
        return None
