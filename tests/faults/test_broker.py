"""The broker killed, emptied and frozen while shards wait in it."""

import time

import pytest

from service.broker.celery_app import TASKS
from tests.support.faults.figures import Say
from tests.support.faults.job import BATCH, Job, Jobs
from tests.support.faults.servers import RedisServer
from tests.support.faults.site import Site, Stopwatch

FROZEN_SECONDS = 10


@pytest.fixture
def redis(site: Site) -> RedisServer:
    if site.pair.redis is None:
        pytest.skip("a folder can't be killed or frozen")
    return site.pair.redis


def test_flushed(site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    job = jobs.running()
    if site.pair.redis:
        redis = site.pair.redis.client
        lost = redis.llen(TASKS["shard"])
        redis.flushall()
    else:
        messages = list((site.data / "broker" / TASKS["shard"]).glob("*.msg"))
        lost = len(messages)
        for message in messages:
            message.unlink(missing_ok=True)
    recovery = job.progresses(shards=5)
    job.succeeds(like=undisturbed)
    assert lost
    say(f"broker flushed, {lost} messages lost: shards are done again after {recovery:.1f} s")


def test_killed_and_restarted_empty(
    site: Site, redis: RedisServer, jobs: Jobs, undisturbed: Job, say: Say
) -> None:
    job = jobs.running()
    redis.kill()
    not_ready = site.http.get("/readyz")
    assert not_ready.status_code == 503
    assert "broker" in not_ready.json()["detail"]
    asked_meanwhile = jobs.submit(max_samples=BATCH)  # recorded now, sent by and by
    time.sleep(1)
    redis.start()
    recovery = job.progresses(shards=5)
    job.succeeds(like=undisturbed)
    asked_meanwhile.succeeds()
    say(f"Redis killed and restarted empty: shards are done again after {recovery:.1f} s")


def test_frozen(redis: RedisServer, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    job = jobs.running()
    with redis.frozen():
        watch = Stopwatch()
        asked_meanwhile = jobs.submit(max_samples=BATCH)
        took = watch()
        time.sleep(max(0.0, FROZEN_SECONDS - watch()))
    recovery = job.progresses(shards=5)
    job.succeeds(like=undisturbed)
    asked_meanwhile.succeeds()
    say(
        f"Redis frozen for {FROZEN_SECONDS} s: a POST took {took:.1f} s meanwhile; shards "
        f"are done again {recovery:.1f} s after the thaw"
    )
