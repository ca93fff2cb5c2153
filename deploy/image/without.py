"""Prints the requirements of a file that another file does not have: without.py all.txt some.txt.

The image layer with torch is the same in two images, which then carry only the rest themselves.
"""

import re
import sys
from pathlib import Path


def read_requirements(path: Path) -> dict[str, str]:
    """Name of a package to its lines, hashes included."""
    blocks = re.findall(r"^[a-z0-9].*(?:\n    --hash.*)*", path.read_text(), flags=re.MULTILINE)
    return {re.split(r"[ =\[]", block)[0]: block for block in blocks}


def main() -> None:
    everything, some = (read_requirements(Path(name)) for name in sys.argv[1:3])
    conflicts = [name for name in some if name in everything and some[name] != everything[name]]
    if conflicts:
        sys.exit(f"{', '.join(conflicts)}: pinned otherwise in {sys.argv[2]}; run `make lock`.")
    for name, block in everything.items():
        if name not in some:
            sys.stdout.write(f"{block}\n")


if __name__ == "__main__":
    main()
