"""Remove from a CPU image the files that torch opens only on a GPU; run during the image build.

PyPI has one build of torch for Linux on x86-64, with CUDA. Its core is linked against some CUDA
libraries, which are kept. The rest (cuDNN's engines, Triton and others) is 2 GB.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
TRY_TORCH = """
import torch, torchvision
network = torchvision.models.get_model("googlenet", weights=None, num_classes=3, init_weights=False)
network.eval()(torch.zeros(1, 3, 64, 64)).sum().backward()
"""
LIST_MAPPED = f"{TRY_TORCH}\nprint(open('/proc/self/maps').read())"


def run_python(code: str) -> str:
    """Return the output of a program. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mapped_files() -> set[Path]:
    """Return the files that a training step on the CPU maps into memory."""
    lines = run_python(LIST_MAPPED).splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/") > 1}


def main() -> None:
    """Remove the files, and check that torch still works."""
    if not (PACKAGES / "nvidia").is_dir():
        return  # a build without CUDA
    shutil.rmtree(PACKAGES / "triton", ignore_errors=True)
    needed = mapped_files()
    files = [path for path in PACKAGES.glob("nvidia/**/*") if path.is_file()]
    removed = [path for path in files if path not in needed and path.suffix != ".py"]
    megabytes = sum(path.stat().st_size for path in removed) >> 20
    for path in removed:
        path.unlink()
    run_python(TRY_TORCH)
    sys.stdout.write(f"removed {len(removed)} files of CUDA, {megabytes} MB\n")


if __name__ == "__main__":
    main()
