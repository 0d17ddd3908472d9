"""The visible GPUs and their memory, as the driver reports them, without torch or CUDA."""

import os
import shutil
import subprocess
from typing import Final, NamedTuple

MIB: Final = 1 << 20


class Memory(NamedTuple):
    """The memory of a GPU, in bytes."""

    gpu: str
    used: int
    total: int


def visible_gpus() -> list[str]:
    """Return the visible GPUs, as `CUDA_VISIBLE_DEVICES` names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return _query("uuid")
    return [gpu for gpu in chosen.replace(" ", "").split(",") if gpu not in {"", "-1"}]


def memory() -> list[Memory]:
    """Return the used and the total memory of each visible GPU that reports them, in bytes.

    Some report `[N/A]`: those that share the memory of the machine, or are divided (MIG).
    """
    if not (gpus := visible_gpus()):
        return []
    rows = _query("uuid,memory.used,memory.total", "--id=" + ",".join(gpus))
    fields = [row.split(", ") for row in rows]
    return [
        Memory(uuid, int(used) * MIB, int(total) * MIB)
        for uuid, used, total in fields
        if used.isdecimal() and total.isdecimal()
    ]


def _query(fields: str, *options: str) -> list[str]:
    """Return one line of `fields` for each GPU; no line if there is no driver."""
    if not (tool := shutil.which("nvidia-smi")):
        return []
    command = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip().splitlines() if done.returncode == 0 else []
