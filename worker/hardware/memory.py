"""How much memory a computation may use where nobody said, and whether it ran out."""

from pathlib import Path
from typing import Final

import psutil

OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""What torch says, whose allocators and libraries raise RuntimeError."""


def memory_budget(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return four fifths of what the machine has, or of what its container may use if that is less.

    A computation that reaches the whole would be killed by the system, and the worker with it.
    """
    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup 2, cgroup 1
        file = cgroup / name
        if file.exists() and (limit := file.read_text().strip()).isdecimal():
            limits.append(int(limit))
    return min(limits) * 4 // 5


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocation failed, in Python, numpy or torch, on any device."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
    )
