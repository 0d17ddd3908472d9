"""The state of a run as bytes: a `.npz` of arrays and one text in JSON, so no code can hide in it.

See docs/trials.md, "Checkpoints".
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.trials.errors import TrialError

_HEADER = "header"


class CheckpointError(TrialError):
    """The error for bytes that are no checkpoint of this run."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on: a header for JSON, and tensors by name.

    >>> stored = Checkpoint({"step": 3}, {"conv1.weight": torch.ones(2)}).to_bytes()
    >>> Checkpoint.of_bytes(stored)
    Checkpoint(header={'step': 3}, tensors={'conv1.weight': tensor([1., 1.])})
    >>> Checkpoint.of_bytes(b"else")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.trials.checkpoint.CheckpointError: these bytes are no checkpoint: ...
    """

    header: dict[str, Any]
    tensors: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        """Return the bytes; tensors are written on the CPU, bit by bit."""
        file = io.BytesIO()
        arrays = {str(i): t.numpy(force=True) for i, t in enumerate(self.tensors.values())}
        text = json.dumps({"header": self.header, "names": list(self.tensors)})
        np.savez(file, allow_pickle=False, **{_HEADER: np.array(text)}, **arrays)
        return file.getvalue()

    @classmethod
    def of_bytes(cls, stored: bytes) -> "Checkpoint":
        """Return the checkpoint that `to_bytes` has written; raise CheckpointError for others."""
        try:
            with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
                text = json.loads(str(arrays[_HEADER]))
                tensors = {n: torch.from_numpy(arrays[str(i)]) for i, n in enumerate(text["names"])}
                return cls(text["header"], tensors)
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"these bytes are no checkpoint: {error}") from error
