"""kill -9 and SIGSTOP, at random moments."""

import random
import signal
import time
from typing import Any

from sqlalchemy.exc import OperationalError

from tests.support.faults.figures import Say
from tests.support.faults.job import Job, Jobs
from tests.support.faults.pipeline import LOOP
from tests.support.faults.site import PATIENCE, Site, Worker
from tests.support.jobs import wait_until

KILLS = 20
STOPS = 3
FEW = 10
SEED = 20260


def strike(site: Site, rng: random.Random) -> str:
    """Kill a warm worker, its child or both; return which."""
    until = time.monotonic() + PATIENCE
    while not (warm := site.warm_workers()):
        assert time.monotonic() < until, "no worker has a child"
        time.sleep(0.05)
    worker = rng.choice(warm)
    child, parent = worker.child, worker.process
    kind = rng.choice(["worker", "child", "child", "both"])
    if child and kind != "worker":
        child.kill()
    if kind != "child":
        parent.kill()
    return kind


def test_kills_at_random_moments(site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    rng = random.Random(SEED)
    kills: list[str] = []
    finished, repeated, recovery = 0, 0, 0.0
    while len(kills) < KILLS:
        job = jobs.running()
        # Not only the plan or the reduce: five times in a row, that would be given up as poisonous.
        while job.shards_left > FEW and len(kills) < KILLS:
            time.sleep(rng.uniform(0.1, 1.2))
            kills.append(strike(site, rng))
        recovery = max(recovery, job.in_hand_ends())
        job.succeeds(like=undisturbed)
        repeated += job.repeated
        finished += 1
    kinds = ", ".join(f"{kills.count(kind)} × {kind}" for kind in sorted(set(kills)))
    say(
        f"{KILLS} kills ({kinds}; seed {SEED}): {finished} of {finished} jobs finished once, "
        f"bit-identical; {repeated} shards tried again; recovery {recovery:.1f} s at most"
    )


def test_a_worker_frozen_past_its_lease(site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    recovery, locked = 0.0, 0
    job = jobs.running()
    for _ in range(STOPS):
        frozen = holder_of_a_shard(site, job)
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            recovery = max(recovery, job.in_hand_ends())
        except OperationalError:
            assert not site.pair.postgres
            locked += 1  # SQLite has one writer, and this is it
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        if job.has_ended:
            job.succeeds(like=undisturbed)
            job = jobs.running()
    job.succeeds(like=undisturbed)
    say(
        f"{STOPS} workers frozen past their leases, then thawed: jobs finished once, "
        f"bit-identical; their shards were others' after {recovery:.1f} s at most"
        + (f"; all waited for {locked} that held SQLite's lock" if locked else "")
    )


def holder_of_a_shard(site: Site, job: Job) -> Worker:
    """Return a worker that has a shard of the job in hand."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for row in job.leased():
            if worker := site.holder(row["leased_by"]):
                return worker
    raise AssertionError("nobody works")


def test_a_follow_up_whose_worker_is_killed(
    site: Site, jobs: Jobs, undisturbed: Job, say: Say
) -> None:
    job = Job(jobs.records, site.client.analyses.create_follow_up(undisturbed.id).id)
    row: dict[str, Any] = {}

    def is_held() -> bool:
        row.update(jobs.records.analysis(job.id))
        return row["leased_by"] is not None

    wait_until(is_held, PATIENCE)
    holder = site.holder(row["leased_by"])
    assert holder is not None
    holder.process.kill()
    took = job.succeeds(like=undisturbed)
    assert jobs.records.analysis(job.id)["attempt"] == 2
    wait_until(lambda: not jobs.records.leaks(), PATIENCE)  # the next worker sweeps what it left
    say(f"a worker killed amid a follow-up: another finished it, bit-identical, after {took:.1f} s")


def test_recovery_with_the_leases_of_every_day(site: Site, jobs: Jobs, say: Say) -> None:
    pipeline = ("--pipeline", "tests.support.faults.pipeline")
    worker = site.run("worker", "worker", *pipeline, NARROWS_LEASE_SECONDS="15")
    job = jobs.submit(seed=LOOP)
    mine = f":{worker.pid}"
    wait_until(lambda: any(row["leased_by"].endswith(mine) for row in job.leased()), PATIENCE)
    site.end("worker", kill=True)
    others = {row["token"] for row in job.leased() if not row["leased_by"].endswith(mine)}
    recovery = job.in_hand_ends(but=others)
    site.client.analyses.cancel(job.id)
    job.ends("cancelled")
    say(f"a worker killed, leases of 15 s: its shard waited for another after {recovery:.1f} s")
