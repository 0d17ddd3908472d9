"""The default memory budget of a computation, and how to recognize that memory ran out."""

from pathlib import Path
from typing import Final

import psutil

OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""The texts of RuntimeErrors that torch's allocators and libraries raise."""


def memory_budget(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return four fifths of the machine's memory, or of its container's limit, in bytes.

    If a computation used all memory, the system would kill it, and perhaps the worker, too.
    """
    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup 2, cgroup 1
        file = cgroup / name
        if file.exists() and (limit := file.read_text().strip()).isdecimal():
            limits.append(int(limit))
    return min(limits) * 4 // 5


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed: in Python, numpy or torch, on any device."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
    )
