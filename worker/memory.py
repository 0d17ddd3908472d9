"""How much memory a computation may use where nobody said."""

from pathlib import Path

import psutil


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
