"""Prints the requirements of a file that another file does not have: without.py all.txt some.txt.

The image layer with torch is the same in two images, which then carry only the rest themselves.
"""

import re
import sys
from pathlib import Path


def read_requirements(path: Path) -> dict[str, list[str]]:
    """Name of a package to its entries, one for each range of Python versions, with hashes."""
    blocks = re.findall(r"^[a-z0-9].*(?:\n    --hash.*)*", path.read_text(), flags=re.MULTILINE)
    requirements: dict[str, list[str]] = {}
    for block in blocks:
        requirements.setdefault(re.split(r"[ =\[]", block)[0], []).append(block)
    return requirements


def main() -> None:
    everything, some = (read_requirements(Path(name)) for name in sys.argv[1:3])
    conflicts = [name for name in some if name in everything and some[name] != everything[name]]
    if conflicts:
        sys.exit(f"{', '.join(conflicts)}: pinned otherwise in {sys.argv[2]}; run `make lock`.")
    for name, blocks in everything.items():
        if name not in some:
            sys.stdout.write("".join(f"{block}\n" for block in blocks))


if __name__ == "__main__":
    main()
