"""What the tests of the worker do over and over."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import ColumnElement, Engine, select, update

from service.broker.celery_app import BrokerUnavailableError
from service.database.tables import Analysis, Event, Shard
from worker.runtime.jobs import Jobs
from worker.runtime.leases import Claim, Work
from worker.runtime.messages import WakeUps
from worker.runtime.work.plan import PLAN

MakeAnalysis = Callable[..., str]
Start = Callable[..., subprocess.Popen[str]]


def make_jobs(engine: Engine, lease_seconds: float = 60.0, max_attempts: int = 3) -> Jobs:
    return Jobs(engine, holder="test", lease_seconds=lease_seconds, max_attempts=max_attempts)


def read(engine: Engine, column: Any, *where: ColumnElement[bool]) -> Any:
    with engine.begin() as connection:
        return list(connection.scalars(select(column).where(*where)))


def state_of(engine: Engine, analysis: str) -> str:
    (state,) = read(engine, Analysis.state, Analysis.id == analysis)
    return str(state)


def shard_states(engine: Engine, analysis: str) -> list[str]:
    with engine.begin() as connection:
        states = select(Shard.state).where(Shard.analysis_id == analysis).order_by(Shard.index)
        return list(connection.scalars(states))


def history(engine: Engine, analysis: str) -> list[str]:
    with engine.begin() as connection:
        events = select(Event.data).where(Event.analysis_id == analysis).order_by(Event.id)
        return [data["state"] for data in connection.scalars(events)]


def claim(jobs: Jobs, work: Work, *ids: str | int) -> Claim:
    claimed = jobs.claim(work, ids)
    assert claimed is not None
    return claimed


def plan(jobs: Jobs, analysis: str, shards: int = 3) -> WakeUps:
    return jobs.commit(claim(jobs, PLAN, analysis), planned(shards))


def planned(shards: int) -> dict[str, Any]:
    """Return what a plan returns, with shards of one sample."""
    return {"shards": [(i, i + 1) for i in range(shards)], "first_look": None}


def ask_to_cancel(engine: Engine, analysis: str) -> None:
    with engine.begin() as connection:
        asked = update(Analysis).where(Analysis.id == analysis)
        connection.execute(asked.values(cancel_requested=True))


def let_pass(engine: Engine, table: Any, seconds: float) -> None:
    """Let `seconds` go by for all rows of `table`."""
    with engine.begin() as connection:
        times = {
            "waits_from": table.waits_from - seconds,
            "lease_until": table.lease_until - seconds,
        }
        connection.execute(update(table).values(times))


class FakeBroker:
    """Takes note of the queues that are woken for; `waiting` are further messages in each."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.waiting: int | None = 0
        self.reachable = True

    def wake(self, queue: str) -> None:
        if not self.reachable:
            raise BrokerUnavailableError("it is gone")
        self.woken.append(queue)

    def depth(self, queue: str) -> int | None:
        if not self.reachable:
            raise BrokerUnavailableError("it is gone")
        return None if self.waiting is None else self.waiting + self.woken.count(queue)


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)


def family(scratch: Path) -> list[int]:
    """Return which of the processes run that `loop_with_grandchild` lists in files "pids".

    A zombie waits for its parent only.
    """
    running = []
    for pids in scratch.glob("narrows-*/pids"):
        for pid in map(int, pids.read_text().split()):
            with suppress(psutil.NoSuchProcess):
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    running.append(pid)
    return running
