"""The batches of an analysis: pairs of tensors from what users have, checked one by one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from narrows.graph.tracing import summary

ALLOWED = (
    "`batches` must yield pairs (inputs, targets) of tensors or numpy arrays, [batch, …] each, "
    "such as a DataLoader or a list of pairs"
)


class BatchError(ValueError):
    """The error for batches that can't be analysed; the text says which, and what is allowed."""


@dataclass(frozen=True)
class Loader:
    """Batches of (inputs, targets), in the order of `batches`, on `device`.

    `precision` is the number type of floating-point numpy arrays: numpy's own is float64. Tensors
    keep theirs.

    >>> cpu = torch.device("cpu")
    >>> list(Loader([(np.array([[1.0]]), np.array([3]))], cpu, torch.float32))
    [(tensor([[1.]]), tensor([3]))]
    >>> list(Loader([torch.zeros(2, 3)], cpu, torch.float32))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.loader.BatchError: batch 1 is a tensor float32 [2, 3]; `batches` must yield pairs ...
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

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the pairs; raises BatchError for a batch that is no pair, or unlike the first."""
        first: list[Tensor] = []
        for number, batch in enumerate(self.batches, start=1):
            inputs, targets = self._pair(batch, f"batch {number}")
            _require_alike([inputs, targets], first or [inputs, targets], f"batch {number}")
            first = first or [inputs[:1], targets[:1]]
            yield inputs, targets

    def _pair(self, batch: Any, which: str) -> tuple[Tensor, Tensor]:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise BatchError(f"{which} is {_described(batch)}; {ALLOWED}.")
        inputs, targets = (
            self._tensor(part, f"the {name} of {which}")
            for part, name in zip(batch, ("inputs", "targets"), strict=True)
        )
        if len(inputs) != len(targets):
            raise BatchError(
                f"{which} has {len(inputs)} inputs and {len(targets)} targets: each sample needs "
                "a target."
            )
        return inputs, targets

    def _tensor(self, part: Any, which: str) -> Tensor:
        if isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
            kept = self.precision if part.dtype.kind == "f" else None
            native = np.ascontiguousarray(part, part.dtype.newbyteorder("="))
            part = torch.tensor(native, dtype=kept)
        if not isinstance(part, Tensor):
            raise BatchError(f"{which} are {_described(part)}; {ALLOWED}.")
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
        raise BatchError(f"`batches` is {_described(batches)}; {ALLOWED}.")
    one_pair = isinstance(batches, tuple | list) and len(batches) == 2
    if one_pair and all(isinstance(part, Tensor | np.ndarray) for part in batches):
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


def _require_alike(parts: list[Tensor], first: list[Tensor], which: str) -> None:
    """Refuse a batch whose samples have another type, or number of dimensions, than the first's."""
    for part, before, name in zip(parts, first, ("inputs", "targets"), strict=True):
        if (part.dtype, part.dim()) != (before.dtype, before.dim()):
            raise BatchError(
                f"the {name} of {which} are {_described(part)}, but those of batch 1 "
                f"{_described(before)}: all batches must be alike."
            )


def _described(thing: Any) -> str:
    """Return a few words on what a thing is.

    >>> _described({"image": 1}), _described((1, 2, 3)), _described("net.pt2")
    ("a dictionary with the keys 'image'", 'a tuple of 3', "the text 'net.pt2'")
    """
    if isinstance(thing, Tensor):
        return f"a tensor {str(thing.dtype).removeprefix('torch.')} {list(thing.shape)}"
    if isinstance(thing, Mapping):
        return f"a dictionary with the keys {', '.join(map(repr, list(thing)[:5]))}"
    if isinstance(thing, tuple | list):
        return f"a {type(thing).__name__} of {len(thing)}"
    if isinstance(thing, str):
        return f"the text {thing[:60]!r}"
    return f"of the type {type(thing).__name__}"
