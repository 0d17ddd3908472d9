"""Every way in which a computation can end, and that it harms no other."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import pipeline
from tests.support.faults.figures import Say
from tests.support.faults.job import BATCH, Jobs
from tests.support.faults.site import PATIENCE, Site, Stopwatch
from tests.support.jobs import wait_until

BUDGET = 600 << 20

ENDINGS: list[tuple[str, int, dict[str, Any], str, str]] = [
    ("a segmentation fault", pipeline.SEGFAULT, {}, "computation-crashed", "SIGSEGV"),
    ("an abort", pipeline.ABORT, {}, "computation-crashed", "SIGABRT"),
    ("an exit", pipeline.EXIT, {}, "computation-exited", "code 3"),
    ("a failed allocation", pipeline.ALLOCATE, {}, "out-of-memory", "allocation failed"),
    ("too much memory", pipeline.HOARD, {"memory_bytes": BUDGET}, "out-of-memory", "600 MiB"),
    ("an endless loop", pipeline.LOOP, {"time_limit_seconds": 2}, "time-limit", "time_limit"),
    ("a fault of ours", pipeline.FAULT, {}, "internal-error", "under fault"),
    ("a poisonous shard", pipeline.KILLED, {}, "attempts-exhausted", "All 5 attempts failed"),
]


@pytest.mark.parametrize(("what", "seed", "asked", "slug", "told"), ENDINGS)
def test_the_right_reason(
    jobs: Jobs, say: Say, what: str, seed: int, asked: dict[str, Any], slug: str, told: str
) -> None:
    job = jobs.submit(seed=seed, **asked)
    took = job.ends("failed")
    assert job.error["type"] == f"urn:narrows:problem:{slug}"
    assert told in job.error["detail"]
    few = jobs.submit(max_samples=4 * BATCH)
    few.succeeds()  # the next one is none the worse
    say(f"{what}: failed with {slug}, {took:.1f} s after the POST")


def test_a_cancelled_loop(site: Site, jobs: Jobs, say: Say) -> None:
    job = jobs.submit(seed=pipeline.LOOP)
    wait_until(lambda: jobs.records.leased(job.id), PATIENCE)
    busy = [worker.child for worker in site.warm_workers()]
    watch = Stopwatch()
    site.client.analyses.cancel(job.id)
    recorded = watch.until(lambda: job.has_ended)
    gone = watch.until(lambda: sum(child is None or not child.is_running() for child in busy))
    job.ends("cancelled")
    say(f"cancelled: recorded after {recorded:.2f} s, the computation ended after {gone:.2f} s")


def test_inspections_do_not_wait_behind_computations(
    site: Site, jobs: Jobs, say: Say, files: Any, tmp_path: Path
) -> None:
    for name in ("model.pt2", "data.npz"):  # under other names they are other uploads
        shutil.copy(files / name, tmp_path / f"again-{name}")
    long = jobs.submit(seed=pipeline.LOOP)
    wait_until(lambda: len(jobs.records.leased(long.id)) == 2, PATIENCE)
    watch = Stopwatch()
    model, dataset = site.upload(tmp_path, "again-")
    took = watch()
    site.client.analyses.cancel(long.id)
    long.ends("cancelled")
    for path in (f"/v1/models/{model}", f"/v1/datasets/{dataset}"):
        assert site.http.delete(path).status_code == 204
    say(f"both workers in endless loops: two uploads are inspected in {took:.1f} s")
