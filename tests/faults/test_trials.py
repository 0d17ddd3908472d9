"""kill -9 while networks are trained: every run goes on from its last checkpoint, bit by bit."""

import os
import random
import time
from typing import Any

import pytest

from service.storage.objects import Storage
from tests.support.faults.figures import Say
from tests.support.faults.job import Jobs
from tests.support.faults.site import PATIENCE, Site, Stopwatch
from tests.support.jobs import wait_until

KILLS = 6
SEED = 20261
RECIPE: Any = {"steps": 400, "batch_size": 32, "learning_rate": 0.01}


class Trial:
    """A trial to disturb."""

    def __init__(self, site: Site, jobs: Jobs) -> None:
        self.site, self.records = site, jobs.records
        factors: Any = [{"name": "wider", "factors": {"0": 2.0, "3": 2.0}}]
        made = site.client.trials.create(
            model_id=jobs.model, dataset_id=jobs.dataset, plans=factors, recipe=RECIPE, seeds=[0]
        )
        self.id = made.id

    @property
    def segments(self) -> int:
        return sum(run["segment"] for run in self.records.runs(self.id))

    @property
    def state(self) -> str:
        return str(self.records.trial(self.id)["state"])

    def succeeds(self) -> dict[str, Any]:
        """Wait for its success; return what it found."""
        wait_until(lambda: self.state in ("succeeded", "failed"), PATIENCE)
        assert self.state == "succeeded", self.records.trial(self.id)["error"]
        return self.records.trial_results(self.id)


@pytest.fixture(scope="module")
def undisturbed(whole_site: Site, all_jobs: Jobs) -> dict[str, Any]:
    found = Trial(whole_site, all_jobs).succeeds()
    assert [run["state"] for run in found["runs"]] == ["done"] * 4
    return found


def test_killed_workers(site: Site, jobs: Jobs, undisturbed: dict[str, Any], say: Say) -> None:
    rng = random.Random(SEED)
    trial = Trial(site, jobs)
    kills = 0
    while kills < KILLS:
        if trial.state == "succeeded":
            assert trial.succeeds() == undisturbed
            trial = Trial(site, jobs)
        runs = trial.records.runs(trial.id)
        leased = [run for run in runs if run["state"] == "leased" and run["checkpoint"]]
        if not leased:
            time.sleep(0.01)
            continue
        run = rng.choice(leased)
        worker = site.holder(run["leased_by"])
        if worker is None:
            continue
        time.sleep(rng.uniform(0.0, 0.1))
        victims = [worker.process, *filter(None, [worker.child])]
        for victim in rng.choice([victims, victims[:1], victims[1:]]):
            victim.kill()
        kills += 1
        wait_until(site.warm_workers, PATIENCE)
    assert trial.succeeds() == undisturbed
    for staged in (site.data / "files" / "staging").glob("*"):
        os.utime(staged, (0, 0))  # after a day, what a killed worker had staged is swept
    Storage(site.settings.resolved_storage_url).sweep()
    say(
        f"{KILLS} kills of workers that train, each after a checkpoint (seed {SEED}): curves, "
        "gains and networks bit-identical"
    )


def test_a_cancelled_training(site: Site, jobs: Jobs, say: Say) -> None:
    trial = Trial(site, jobs)
    wait_until(lambda: trial.segments > 2, PATIENCE)
    watch = Stopwatch()
    site.client.trials.cancel(trial.id)
    recorded = watch.until(lambda: trial.state == "cancelled")
    deleted = watch.until(lambda: not jobs.records.unused())
    say(f"a training cancelled: recorded after {recorded:.2f} s, files gone after {deleted:.0f} s")
