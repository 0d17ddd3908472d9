"""The batches of an analysis: inputs and targets from what users have, checked one by one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from narrows.graph.trace_errors import summary
from narrows.loaded import ALLOWED, BatchError, Loaded, described, named, parted


@dataclass(frozen=True)
class Loader:
    """Batches of inputs and targets, in the order of `batches`, on `device`.

    `precision` is the number type of floating-point numpy arrays: numpy's own is float64. Tensors
    keep theirs.

    >>> cpu = torch.device("cpu")
    >>> list(Loader([(np.array([[1.0]]), np.array([3]))], cpu, torch.float32))
    [Loaded(inputs={'x': tensor([[1.]])}, targets=tensor([3]), target=None)]
    >>> list(Loader([torch.zeros(2, 3)], cpu, torch.float32))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.loaded.BatchError: batch 1 is a tensor float32 [2, 3]; `batches` must yield pairs ...
    """

    batches: Iterable[Any]
    device: torch.device
    precision: torch.dtype

    def __len__(self) -> int:
        """Return the number of batches; raises TypeError where it is not known."""
        return len(self.batches)  # type: ignore[arg-type]  # not all have a length

    @property
    def total(self) -> int | None:
        """The number of batches, where it is known."""
        try:
            return len(self)
        except (TypeError, NotImplementedError):
            return None

    def __iter__(self) -> Iterator[Loaded]:
        """Yield the batches; raises BatchError for what is no batch, or unlike the first."""
        first: dict[str, Tensor] = {}
        for number, batch in enumerate(self.batches, start=1):
            loaded = self._loaded(batch, f"batch {number}")
            parts = {f"the {_called(name)}": x for name, x in loaded.inputs.items()}
            parts["the targets"] = loaded.targets
            first = first or {name: part[:1] for name, part in parts.items()}
            _require_alike(parts, first, f"batch {number}")
            yield loaded

    def _loaded(self, batch: Any, which: str) -> Loaded:
        given, targets, target = parted(batch, which)
        inputs = {
            name: self._tensor(part, f"the {_called(name)} of {which}")
            for name, part in named(given).items()
        }
        targets = self._tensor(targets, f"the targets of {which}")
        for name, x in inputs.items():
            if len(x) != len(targets):
                called = "inputs" if name == "x" else f"samples of the {_called(name)}"
                raise BatchError(
                    f"{which} has {len(x)} {called} and {len(targets)} targets: each sample needs "
                    "a target."
                )
        return Loaded(inputs, targets, target)

    def _tensor(self, part: Any, which: str) -> Tensor:
        if isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
            kept = self.precision if part.dtype.kind == "f" else None
            native = np.ascontiguousarray(part, part.dtype.newbyteorder("="))
            part = torch.tensor(native, dtype=kept)
        if not isinstance(part, Tensor):
            raise BatchError(f"{which} are {described(part)}; {ALLOWED}.")
        if part.layout != torch.strided:
            raise BatchError(f"{which} are sparse; pass inputs.to_dense().")
        if not part.dim() or not len(part):
            raise BatchError(
                f"{which} have the shape {list(part.shape)}: the first dimension must count the "
                "samples, and there must be one or more."
            )
        if part.is_floating_point() and not part.isfinite().all():
            at = int((~part.isfinite()).reshape(len(part), -1).any(1).nonzero()[0])
            raise BatchError(
                f"{which} hold NaN or infinity, first in sample {at}. Replace or remove such "
                "samples."
            )
        tensor = part.detach().to(self.device)
        return tensor.clone() if tensor.is_inference() else tensor


def as_batches(batches: Any) -> Iterable[Any]:
    """Return what yields batches; a dataset is read in batches of 32, in its order.

    Raises BatchError for what can't yield pairs.
    """
    if isinstance(batches, IterableDataset):
        raise BatchError(f"`batches` is an IterableDataset: wrap it in a DataLoader. {ALLOWED}.")
    if isinstance(batches, Dataset):
        return cast("Iterable[Any]", DataLoader(batches, batch_size=32, collate_fn=_collate))
    if isinstance(batches, str | bytes | Mapping | Tensor | np.ndarray) or not isinstance(
        batches, Iterable
    ):
        raise BatchError(f"`batches` is {described(batches)}; {ALLOWED}.")
    if (
        isinstance(batches, tuple | list)
        and len(batches) == 2
        and isinstance(batches[1], Tensor | np.ndarray)
    ):
        raise BatchError("`batches` is a single pair; put it in a list: [(inputs, targets)].")
    return batches


def _collate(samples: list[Any]) -> Any:
    try:
        return default_collate(samples)
    except (TypeError, RuntimeError) as error:  # of other types, or of different shapes
        raise BatchError(
            f"the samples of the dataset make no batch: {summary(error)}. Pass a DataLoader with a "
            "`collate_fn` that returns (inputs, targets)."
        ) from error


def _called(name: str) -> str:
    return "inputs" if name == "x" else f"input {name!r}"


def _require_alike(parts: Mapping[str, Tensor], first: Mapping[str, Tensor], which: str) -> None:
    """Refuse a batch whose samples have another type, or number of dimensions, than the first's."""
    if parts.keys() != first.keys():
        raise BatchError(
            f"{which} has {' and '.join(parts)}, but batch 1 has {' and '.join(first)}: all "
            "batches must be alike."
        )
    for name, part in parts.items():
        before = first[name]
        if (part.dtype, part.dim()) != (before.dtype, before.dim()):
            raise BatchError(
                f"{name} of {which} are {described(part)}, but those of batch 1 "
                f"{described(before)}: all batches must be alike."
            )
