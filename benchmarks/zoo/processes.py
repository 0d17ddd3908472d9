"""Runs the trial of one network in a process with limits on time and memory."""

import multiprocessing
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil

PRELOADED = ["benchmarks.zoo.steps", "timm", "torchvision", "transformers"]
"""What the fork server imports once, as far as it is installed."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """Limits of a process: seconds, and bytes of resident memory."""

    seconds: float
    memory: int


def try_network(name: str, limits: Limits) -> dict[str, Any]:
    """Return what was found in each step, by name; `stopped` says why the process ended early."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(name, sender))
    process.start()
    sender.close()
    steps: dict[str, Any] = {}
    reason = _collect(receiver, steps, psutil.Process(process.pid), limits)
    if reason:
        process.kill()
    process.join()
    if reason or process.exitcode:
        error = reason or f"it ended with status {process.exitcode}"
        steps["stopped"] = {"ok": False, "error": error}
    return steps


def _run(name: str, sender: "Connection[Any, Any]") -> None:
    from benchmarks.zoo import steps  # which loads torch

    warnings.simplefilter("ignore")
    steps.run(name, sender.send)


def _collect(
    receiver: "Connection[Any, Any]",
    steps: dict[str, Any],
    process: psutil.Process,
    limits: Limits,
) -> str | None:
    """Receive steps until the process ends; return the limit that it broke."""
    began = time.monotonic()
    while True:
        try:
            while receiver.poll(POLL_SECONDS):
                step = receiver.recv()
                steps[step.pop("step")] = step
            memory = process.memory_info().rss
        except (EOFError, psutil.NoSuchProcess):
            return None
        if time.monotonic() - began > limits.seconds:
            return f"it took longer than {limits.seconds:.0f} s"
        if memory > limits.memory:
            return f"it took more than {limits.memory / 2**30:.0f} GiB of memory"
