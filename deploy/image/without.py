"""Print the requirements that are in one file but not in another: without.py all.txt some.txt.

Two images share the layer with torch, and install only the rest themselves.
"""

import re
import sys
from pathlib import Path


def read_requirements(path: Path) -> dict[str, list[str]]:
    """Return the entries by package: one per range of Python versions, with hashes."""
    blocks = re.findall(r"^[a-z0-9].*(?:\n    --hash.*)*", path.read_text(), flags=re.MULTILINE)
    requirements: dict[str, list[str]] = {}
    for block in blocks:
        requirements.setdefault(re.split(r"[ =\[]", block)[0], []).append(block)
    return requirements


def main() -> None:
    everything, some = (read_requirements(Path(name)) for name in sys.argv[1:3])
    conflicts = [name for name in some if name in everything and some[name] != everything[name]]
    if conflicts:
        sys.exit(f"{', '.join(conflicts)}: pinned differently in {sys.argv[2]}; run `make lock`.")
    for name, blocks in everything.items():
        if name not in some:
            sys.stdout.write("".join(f"{block}\n" for block in blocks))


if __name__ == "__main__":
    main()
