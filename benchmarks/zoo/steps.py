"""The steps of a trial, one after the other, in this process."""

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.zoo.findings import Json, text_of
from benchmarks.zoo.trial import Trial

STEPS: tuple[Callable[[Trial], Json], ...] = (
    Trial.make, Trial.exported, Trial.accepted, Trial.followed, Trial.analysed, Trial.pruned,
    Trial.random_cut, Trial.one_widened, Trial.all_widened, Trial.reloaded,
)  # fmt: skip


def run(name: str, report: Callable[[Json], None]) -> None:
    """Run all steps; report for each its name, its end, what was found, seconds and peak memory."""
    with tempfile.TemporaryDirectory(prefix="narrows-zoo-") as folder:
        trial = Trial(name, Path(folder))
        for step in STEPS:
            began = time.perf_counter()
            try:
                found: Json = {"ok": True, **step(trial)}
            except Exception as error:  # whatever a network makes Narrows, or torch, raise
                found = {"ok": False, "error": text_of(error)}
            seconds = round(time.perf_counter() - began, 2)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            report({"step": step.__name__, **found, "seconds": seconds, "peak_mb": peak})
            if step is Trial.make and not found["ok"]:
                return
