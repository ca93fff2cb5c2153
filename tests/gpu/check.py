"""Check and measure training on a GPU: python tests/gpu/check.py [--cpu] [--seconds 480].

Prints a table and writes JSON. Needs PyTorch, torchvision, NumPy, pydantic and psutil, and neither
the network nor a server. Exits with 1 if a check fails and with 2 without a GPU.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NO_GPU = (
    "No GPU: PyTorch {version} finds no CUDA device, so nothing was measured. Check the driver "
    "with nvidia-smi. --cpu runs everything at small sizes, which only tests this script.\n"
)
NAMES = {True: "ok", False: "FAILED", None: ""}


def main() -> int:
    """Run all measures until the time is up; return the exit code."""
    options = _options()
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    import torch

    from tests.gpu.stand_ins import add_stand_ins

    if not options.cpu and not torch.cuda.is_available():
        sys.stderr.write(NO_GPU.format(version=torch.__version__))
        return 2
    missing = add_stand_ins()
    from tests.gpu import measures

    warnings.simplefilter("ignore")  # of operations that cannot be repeated
    device = torch.device("cpu" if options.cpu else "cuda")
    sizes = measures.SMOKE if options.cpu else measures.CARD
    record = Record(options, measures.machine(device), missing)
    for row in (row for measure in measures.MEASURES for row in measure(device, sizes)):
        record.add(measures.as_json(row))
        if record.is_late:
            break
    return record.end()


class Record:
    """The rows of a table that is printed, and kept as JSON, while it grows."""

    def __init__(
        self, options: argparse.Namespace, machine: Mapping[str, object], missing: Sequence[str]
    ) -> None:
        self._options, self._started = options, time.perf_counter()
        self._facts = {
            "is_a_smoke_test": options.cpu,
            "machine": machine,
            "not_installed": missing,
        }
        self._rows: list[dict[str, object]] = []
        sys.stdout.write("".join(f"{name}: {value}\n" for name, value in machine.items()))

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def is_late(self) -> bool:
        return self.seconds >= float(self._options.seconds)

    def add(self, row: dict[str, Any]) -> None:
        """Print a row and write all of them."""
        self._rows.append(row)
        _print(row["what"], row["value"], row["unit"], row["is_right"], row["note"])
        times = {"seconds": self.seconds, "is_complete": not self.is_late}
        _write(self._options.out, {**self._facts, **times, "rows": self._rows})

    def end(self) -> int:
        """Say how it ended; return the exit code."""
        if self.is_late:
            text = f"Stopped after {self.seconds:.0f} s; the rest was not measured.\n"
        else:
            text = f"{self.seconds:.0f} s; written to {self._options.out}\n"
        sys.stdout.write(text)
        return int(any(row["is_right"] is False for row in self._rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check and measure training on a GPU.")
    parser.add_argument("--cpu", action="store_true", help="small sizes on the CPU: a smoke test")
    parser.add_argument("--seconds", type=float, default=480, help="stop after this time")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-check.json")
    return parser.parse_args()


def _print(what: str, value: float | None, unit: str, is_right: bool | None, note: str) -> None:
    number = "-" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    sys.stdout.write(f"{what:<58} {number:>9} {unit:<9} {NAMES[is_right]:<7} {note}\n")
    sys.stdout.flush()


def _write(path: Path, result: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    sys.exit(main())
