"""What the driver says of the GPUs that are visible here, without loading torch or CUDA."""

import os
import shutil
import subprocess
from typing import Final, NamedTuple

MIB: Final = 1 << 20


class Memory(NamedTuple):
    gpu: str
    used: int
    total: int


def visible_gpus() -> list[str]:
    """Return what `CUDA_VISIBLE_DEVICES` may name here."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return _query("uuid")
    return [gpu for gpu in chosen.replace(" ", "").split(",") if gpu not in {"", "-1"}]


def memory() -> list[Memory]:
    """Return how many bytes of each visible GPU are used, and how many there are in all."""
    if not (gpus := visible_gpus()):
        return []
    rows = _query("uuid,memory.used,memory.total", "--id=" + ",".join(gpus))
    fields = [row.split(", ") for row in rows]
    return [Memory(uuid, int(used) * MIB, int(total) * MIB) for uuid, used, total in fields]


def _query(fields: str, *options: str) -> list[str]:
    """Return a line of `fields` for each GPU; none where there is no driver."""
    if not (tool := shutil.which("nvidia-smi")):
        return []
    asked = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits", *options]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.strip().splitlines() if found.returncode == 0 else []
