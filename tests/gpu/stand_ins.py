"""Empty modules for packages that the trainer imports but no check calls, where they are missing.

With them the checks need only PyTorch, torchvision, NumPy, pydantic and psutil.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from unittest.mock import MagicMock

UNCALLED = ("pyarrow", "pyproj", "rich", "safetensors", "scipy", "shapely", "tomli_w")


def add_stand_ins() -> list[str]:
    """Make the missing packages importable; return their names."""
    missing = [name for name in UNCALLED if not _is_installed(name)]
    sys.meta_path.insert(0, _StandIns(missing))
    return missing


def _is_installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


class _StandIns(MetaPathFinder, Loader):
    """Finds any module of some packages."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_missing = fullname.partition(".")[0] in self._names
        return ModuleSpec(fullname, self, is_package=True) if is_missing else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()
