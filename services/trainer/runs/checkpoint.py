"""Checkpoints: everything needed to resume a training run, in one file without pickle."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from euguess.process.files import room_errors, sync
from euguess.process.locks import file_lock
from services.trainer.errors import RunBusy
from services.trainer.progress import EpochResult
from services.trainer.tensor_files import save_tensors
from services.trainer.training.learner import Learner
from services.trainer.training.loop import TrainingState

FORMAT_VERSION = 2
NETWORK, BEST, AVERAGE, OPTIMIZER = "network/", "best/", "average/", "optimizer/"


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one recipe on one state of one dataset, identified by fingerprint."""

    path: Path
    fingerprint: str

    @property
    def lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes away from the file; they raise RunBusy while this one holds it."""
        return file_lock(self.lock, busy=RunBusy())

    def save(self, learner: Learner, state: TrainingState, run_id: str) -> None:
        """Replace the file atomically: after a crash, it is either the old or the new one.

        Raises DiskFull, and keeps the old file, if there is no space for both.
        """
        tensors = {
            **_prefixed(NETWORK, learner.network.state_dict()),
            **_prefixed(BEST, state.best_weights),
        }
        average = learner.average
        if average is not None:
            tensors |= _prefixed(AVERAGE, average.network.state_dict())
        slots = learner.optimizer.state_dict()
        for parameter, values in slots["state"].items():
            tensors |= _prefixed(f"{OPTIMIZER}{parameter}/", _tensors_of(values))
        facts = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "run_id": run_id,
            "history": [asdict(result) for result in state.history],
            "param_groups": slots["param_groups"],
            "averaged_steps": 0 if average is None else average.steps,
            "scaler": learner.scaler.state_dict(),
        }
        with room_errors(self._no_room), self._saving() as folder:
            part = folder / self.path.name
            save_tensors(tensors, part, {"facts": json.dumps(facts)})
            sync(part)
            part.replace(self.path)
            sync(self.path.parent)

    @contextmanager
    def _saving(self) -> Iterator[Path]:
        """Create an empty folder for one save; the next one removes what a killed process left."""
        folder = self.path.with_suffix(".saving")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _no_room(self) -> str:
        return (
            f"{self.path.parent}: no space is left for the checkpoint; the previous one, if any, "
            "is kept. Free some space, then resume with the same command and --resume."
        )

    def saved_run(self) -> str | None:
        """Return the id of the run that can be resumed from this file, if any."""
        facts = self._facts()
        return None if facts is None else str(facts["run_id"])

    def load(self, learner: Learner) -> TrainingState:
        """Restore a learner; return an empty TrainingState when there is nothing to resume."""
        facts = self._facts()
        if facts is None:
            return TrainingState()
        with safe_open(self.path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        learner.network.load_state_dict(_under(NETWORK, tensors))
        if learner.average is not None:
            learner.average.network.load_state_dict(_under(AVERAGE, tensors))
            learner.average.steps = facts["averaged_steps"]
        groups = _for_this_device(facts["param_groups"], learner.optimizer)
        learner.optimizer.load_state_dict(
            {"state": _optimizer_state(tensors), "param_groups": groups}
        )
        _restore_memory_format(learner.optimizer)
        learner.scaler.load_state_dict(facts["scaler"])
        _restore_layouts(learner.optimizer)
        return TrainingState(_history(facts), _under(BEST, tensors))

    def _facts(self) -> dict[str, Any] | None:
        """Return the stored facts; None unless the file is complete and has this fingerprint.

        A run that has diverged cannot be resumed either.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        except (OSError, SafetensorError):
            return None
        known = (facts["format_version"], facts["fingerprint"])
        if known != (FORMAT_VERSION, self.fingerprint):
            return None
        return facts if all(result.is_finite for result in _history(facts)) else None


def _history(facts: Mapping[str, Any]) -> tuple[EpochResult, ...]:
    return tuple(EpochResult(**result) for result in facts["history"])


def _restore_layouts(optimizer: Optimizer) -> None:
    """Give the optimiser's tensors the memory layout of their parameters: channels_last.

    In the file, they are contiguous, and updates of tensors with different layouts are slower.
    """
    for parameter, slots in optimizer.state.items():
        for name, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: _plain(tensor) for name, tensor in tensors.items()}


def _plain(tensor: Tensor) -> Tensor:
    """Copy to main memory: the file format has neither devices nor channels_last."""
    return tensor.detach().cpu().contiguous()


def _tensors_of(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in state.items() if value is not None}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under(OPTIMIZER, tensors).items():
        parameter, _, slot = name.partition("/")
        state.setdefault(int(parameter), {})[slot] = tensor
    return state


def _for_this_device(saved: list[dict[str, Any]], optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return saved groups with the kernels of this device, as a run may move to another one."""
    pairs = zip(saved, optimizer.param_groups, strict=True)
    return [{**group, "fused": own["fused"]} for group, own in pairs]


def _restore_memory_format(optimizer: Optimizer) -> None:
    """Store momentum in the memory order of its weights, as fused optimisers of GPUs require."""
    for parameter, slots in optimizer.state.items():
        for name, values in slots.items():
            if values.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter).copy_(values)
