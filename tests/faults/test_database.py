"""The database restarted, its connections cut, or locked, while a job runs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tests.support.faults.figures import Say
from tests.support.faults.job import Job, Jobs
from tests.support.faults.servers import PostgresServer
from tests.support.faults.site import Site

LOCKED_SECONDS = 5


@pytest.fixture
def postgres(site: Site) -> PostgresServer:
    if site.pair.postgres is None:
        pytest.skip("SQLite has no server")
    return site.pair.postgres


@contextmanager
def polling(site: Site) -> Iterator[set[int]]:
    """Ask for the list of analyses over and over; yield the set of statuses that come back."""
    statuses: set[int] = set()
    stop = threading.Event()

    def poll() -> None:
        with site.new_http() as http:
            while not stop.wait(0.05):
                statuses.add(http.get("/v1/analyses").status_code)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_restarted(
    site: Site, postgres: PostgresServer, jobs: Jobs, undisturbed: Job, say: Say
) -> None:
    job = jobs.running()
    with polling(site) as statuses:
        postgres.crash()
        not_ready = site.http.get("/readyz")
        assert (not_ready.status_code, site.answers()) == (503, True)
        assert "database" in not_ready.json()["detail"]
        time.sleep(1)
        postgres.start()
        site.engine.dispose()
        recovery = job.progresses(shards=5)
    in_hand = job.in_hand_ends()
    job.succeeds(like=undisturbed)
    assert site.http.get("/readyz").is_success
    assert statuses == {200, 503}
    say(
        f"PostgreSQL crashed and restarted: shards are done again after {recovery:.1f} s, those in "
        f"hand after {in_hand:.1f} s; the API answered {sorted(statuses)}"
    )


def test_connections_cut(
    site: Site, postgres: PostgresServer, jobs: Jobs, undisturbed: Job, say: Say
) -> None:
    job = jobs.running()
    with polling(site) as statuses:
        cut = postgres.cut_connections()
        site.engine.dispose()
        recovery = job.progresses(shards=5)
    in_hand = job.in_hand_ends()
    job.succeeds(like=undisturbed)
    assert statuses <= {200, 503}
    say(
        f"{cut} connections to PostgreSQL cut: shards are done again after {recovery:.1f} s, those "
        f"in hand after {in_hand:.1f} s; the API answered {sorted(statuses)}"
    )


def test_locked(site: Site, jobs: Jobs, undisturbed: Job, say: Say) -> None:
    if site.pair.postgres:
        pytest.skip("PostgreSQL has many writers")
    job = jobs.running()
    with site.engine.connect() as connection:
        connection.execute(text("SELECT 1"))  # begins as a writer, the only one there can be
        assert site.http.get("/v1/analyses").is_success  # readers don't wait for it
        time.sleep(LOCKED_SECONDS)
    recovery = job.progresses(shards=5)
    job.succeeds(like=undisturbed)
    say(f"SQLite locked for {LOCKED_SECONDS} s: shards are done again after {recovery:.1f} s")
