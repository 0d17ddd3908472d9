import threading

import pytest
from sqlalchemy import Engine, update

from service.database.tables import Analysis
from tests.support.jobs import MakeAnalysis, ask_to_cancel, claim, make_jobs, read, wait_until
from worker.runtime.heartbeat import Heartbeat, StoppingError
from worker.runtime.jobs import Jobs
from worker.runtime.leases import LeaseLostError
from worker.runtime.work.plan import PLAN


def is_lost(heartbeat: Heartbeat) -> bool:
    try:
        heartbeat.raise_if_ended()
    except LeaseLostError:
        return True
    return False


def test_lengthens_the_lease(engine: Engine, make_analysis: MakeAnalysis) -> None:
    jobs = make_jobs(engine, lease_seconds=0.3)
    claimed = claim(jobs, PLAN, make_analysis())
    (first,) = read(engine, Analysis.lease_until)
    with Heartbeat(jobs, claimed, threading.Event()) as heartbeat:
        wait_until(lambda: read(engine, Analysis.lease_until)[0] > first + 0.3)
        heartbeat.raise_if_ended()


def test_notices_a_cancel_between_beats(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    analysis = make_analysis()
    with Heartbeat(jobs, claim(jobs, PLAN, analysis), threading.Event()) as heartbeat:
        heartbeat.raise_if_ended()
        ask_to_cancel(engine, analysis)
        wait_until(lambda: is_lost(heartbeat))


def test_notices_that_another_worker_has_the_work(
    engine: Engine, make_analysis: MakeAnalysis
) -> None:
    jobs = make_jobs(engine, lease_seconds=0.3)
    with Heartbeat(jobs, claim(jobs, PLAN, make_analysis()), threading.Event()) as heartbeat:
        with engine.begin() as connection:
            connection.execute(update(Analysis).values(token="other"))
        wait_until(lambda: is_lost(heartbeat))


def test_tells_that_the_worker_is_stopping(jobs: Jobs, make_analysis: MakeAnalysis) -> None:
    stopping = threading.Event()
    stopping.set()
    heartbeat = Heartbeat(jobs, claim(jobs, PLAN, make_analysis()), stopping)
    with heartbeat, pytest.raises(StoppingError):
        heartbeat.raise_if_ended()
