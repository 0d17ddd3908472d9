"""What the child runs in the tests: every way to end, and a pipeline without torch."""

import ctypes
import logging
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from worker.errors import RefusedError
from worker.formats.files import open_file


def add(a: int, b: int) -> int:
    print("printed by the child")  # noqa: T201 - must not reach the parent's standard output
    return a + b


def pid() -> int:
    return os.getpid()


def echo_bytes(data: bytes) -> bytes:
    return data


def not_json() -> object:
    return object()


def refuse() -> None:
    raise RefusedError("too-odd", "Too odd", "Its layers are odd.")


def fail() -> None:
    raise ValueError("secret detail")


def exhaust() -> None:
    raise MemoryError


def fail_like_torch() -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")


def fill_the_disk() -> None:
    Path("/dev/full").write_text("too much")


def segfault() -> None:
    ctypes.string_at(0)


def exit_with(code: int) -> None:
    os._exit(code)


def sys_exit_with(code: int) -> None:
    sys.exit(code)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hoard() -> None:
    hoarded = []
    while True:
        hoarded.append(bytearray(16 << 20))
        time.sleep(0.01)


def allocate_twice() -> tuple[int, int]:
    """Return how often the second of two large blocks met a new page, and the resident memory."""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        bytearray(64 << 20)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return faults, resident()


def resident() -> int:
    return psutil.Process().memory_info().rss


def loop() -> None:
    while True:
        pass


def loop_with_grandchild(pids: str) -> None:
    """Write the ids of this process and of one that it starts into the file `pids`, and hang."""
    grandchild = os.fork()
    if grandchild == 0:
        time.sleep(600)
    draft = Path(f"{pids}.new")
    draft.write_text(f"{os.getpid()} {grandchild}")
    draft.rename(pids)
    loop()


def inspect_model(path: str) -> dict[str, Any]:
    text = open_file(path).read().decode()
    if text == "bad":
        refuse()
    return {"text": text}


def inspect_dataset(path: str, transform: dict[str, Any]) -> dict[str, Any]:
    return {"text": open_file(path).read().decode(), "transform": transform}


def plan(
    model: str, dataset: str, transform: dict[str, Any], request: dict[str, Any]
) -> dict[str, Any]:
    shards = [(4 * i, 4 * i + 4) for i in range(request["shards"])]
    return {"shards": shards, "first_look": None}


def shard(
    model: str,
    dataset: str,
    transform: dict[str, Any],
    request: dict[str, Any],
    start: int,
    stop: int,
) -> bytes:
    logging.getLogger(__name__).warning("computing")
    if start >= request.get("hang_from", stop):
        loop_with_grandchild(request["pids"])
    return f"{start}-{stop};".encode()


def reduce(
    model: str,
    dataset: str,
    transform: dict[str, Any],
    request: dict[str, Any],
    results: list[bytes],
    folder: str,
) -> dict[str, Any]:
    layer = {
        "name": "conv", "op": "conv2d", "width": 6, "parameters": 60, "macs": 600,
        "verdict": "bottleneck", "sweep": [[0.5, 0.0]],
    }  # fmt: skip
    structure = {
        "group": 0, "channel": 1, "saliency": 0.5, "first_order": 0.2, "second_order": 0.3,
        "rank": 0, "members": [["conv", 1]],
    }  # fmt: skip
    cost = {"layers": [], "parameters": [60, 120], "macs": [600, 1200]}
    plans: list[dict[str, Any]] = [{"name": "double", "artifact": None, **cost}]
    for name in request.get("build", []):
        Path(folder, f"{name}.pt2").write_text(f"{name} network")
        plans.append({"name": name, "artifact": f"{name}.pt2", **cost})
    return {
        "layers": [layer],
        "structures": [structure],
        "plans": plans,
        "summary": {"text": b"".join(results).decode()},
        "provenance": {"seed": 0},
    }
