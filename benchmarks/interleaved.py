"""Time and memory of several pieces of work, measured in turns, relative to one of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from torch.profiler import ProfilerActivity, profile

Work = Callable[[], object]


def time_ratios(works: Mapping[str, Work], unit: str, rounds: int) -> dict[str, float]:
    """Return the median over rounds of each work's CPU time, relative to that of `unit`.

    In each round every work runs once. CPU time is that of all threads of this process, so that
    other processes of a shared machine disturb less than they do wall-clock time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(rounds + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            if round_number:  # the first warms up
                seconds[name].append(time.process_time() - began)
    return {
        name: statistics.median(a / b for a, b in zip(taken, seconds[unit], strict=True))
        for name, taken in seconds.items()
    }


def peak_bytes(work: Work) -> int:
    """Return the peak of the bytes that torch allocates during the work."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    results: Any = recorded.profiler
    for event in results.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def memory_ratios(works: Mapping[str, Work], unit: str) -> dict[str, float]:
    """Return the peak of each work's memory, relative to that of `unit`."""
    peaks = {name: peak_bytes(work) for name, work in works.items()}
    return {name: peak / peaks[unit] for name, peak in peaks.items()}
