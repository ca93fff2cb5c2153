"""A stand-in for a GPU on machines without one: waiting for it, or copying to it, is an error.

torch's device "meta" has shapes but no values, so reading one raises an error by itself: item(),
float(), bool(), cpu(), nonzero(), indexing by a mask. A GPU would have to finish its queued work
first. What "meta" would permit, and a GPU would wait for as well, is refused here: copies from main
memory and operations on tensors of both.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

UNREADABLE = torch.device("meta")
MAKERS = (torch.tensor, torch.as_tensor, torch.asarray)


class Waited(AssertionError):
    """An operation would have waited for a GPU."""


class Uploads:
    """Counts the copies that are permitted, since they come from pinned memory."""

    def __init__(self) -> None:
        self.count = 0
        self._is_open = False

    def upload(self, values: Tensor, device: torch.device) -> Tensor:
        """Replace services.trainer.devices.upload."""
        self.count += 1
        self._is_open = True
        try:
            return values.to(device)
        finally:
            self._is_open = False

    @contextmanager
    def only(self) -> Iterator[None]:
        """Refuse every other way of waiting for the device, or of copying to it."""
        with _NoCopies(self), _NoConstants():
            yield

    @property
    def is_open(self) -> bool:
        return self._is_open


class _NoCopies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, uploads: Uploads) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._uploads = uploads

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        result = func(*args, **(kwargs or {}))
        devices = {leaf.device.type for leaf in (*tensors, result) if isinstance(leaf, Tensor)}
        if len(devices) > 1 and not self._uploads.is_open:
            raise Waited(f"{func} mixes {sorted(devices)}")
        return result


class _NoConstants(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        device = torch.device((kwargs or {}).get("device") or "cpu")
        if func in MAKERS and device.type != "cpu":
            raise Waited(f"{func.__name__} copies values from main memory")
        return func(*args, **(kwargs or {}))
