"""The real pipeline, made slow enough for faults to strike amid a shard, and to fail on request.

The request's seed chooses what a shard does; whatever it does, it does it to a child process.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import torch

from worker.pipeline.steps import follow_up as _follow_up
from worker.pipeline.steps import (
    inspect_dataset,
    inspect_model,
    plan,
    plan_trial,
    reduce,
    reduce_trial,
    train,
)
from worker.pipeline.steps import shard as _shard

__all__ = [
    "follow_up",
    "inspect_dataset",
    "inspect_model",
    "plan",
    "plan_trial",
    "reduce",
    "reduce_trial",
    "shard",
    "train",
]

SECONDS_A_SHARD = 0.05
SECONDS_A_FOLLOW_UP = 1.0


def _hoard() -> None:
    hoarded = []
    while True:
        hoarded.append(torch.ones(8 << 20))
        time.sleep(0.01)


def _loop() -> None:
    while True:
        pass


EVIL: dict[int, Callable[[], object]] = {
    101: lambda: ctypes.string_at(0),
    102: lambda: torch.ones(1 << 55),
    103: _hoard,
    104: _loop,
    105: lambda: os._exit(3),
    106: lambda: os.kill(os.getpid(), signal.SIGKILL),
    107: os.abort,
    108: lambda: torch.ones(2) @ torch.ones(3),
}
SEGFAULT, ALLOCATE, HOARD, LOOP, EXIT, KILLED, ABORT, FAULT = EVIL


def shard(model: str, dataset: str, transform: Any, request: Any, *limits: int) -> bytes:
    if evil := EVIL.get(request["seed"]):
        evil()
    time.sleep(SECONDS_A_SHARD)
    return _shard(model, dataset, transform, request, *limits)


def follow_up(*arguments: Any) -> dict[str, Any]:
    time.sleep(SECONDS_A_FOLLOW_UP)
    return _follow_up(*arguments)
