"""A worker is seen while it runs, and forgotten some time after."""

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from service.database.clock import epoch_now
from service.database.tables import Worker
from tests.support.jobs import read, wait_until
from worker.runtime.registration import KEEP_SECONDS, Registration


def make(engine: Engine, name: str, seconds: float = 60.0) -> Registration:
    return Registration(engine, name=name, queues="analyze,inspect", seconds=seconds)


def alive(engine: Engine) -> list[str]:
    return sorted(read(engine, Worker.name, Worker.alive_until > epoch_now()))


def test_seen_until_it_stops(engine: Engine) -> None:
    registration, other = make(engine, "a"), make(engine, "b")
    other.renew()
    registration.start()
    wait_until(lambda: alive(engine) == ["a", "b"])
    registration.stop()
    assert alive(engine) == ["b"]


def test_each_beat_lasts(engine: Engine) -> None:
    registration = make(engine, "a", seconds=0.3)
    registration.start()
    wait_until(lambda: read(engine, Worker.seen_at))
    (first,) = read(engine, Worker.seen_at)
    registration.device = "NVIDIA H100"
    wait_until(lambda: read(engine, Worker.seen_at)[0] > first)
    wait_until(lambda: read(engine, Worker.device) == ["NVIDIA H100"])
    registration.stop()


def test_what_it_is(engine: Engine) -> None:
    make(engine, "a").renew()
    with Session(engine) as session:
        (row,) = session.scalars(select(Worker))
    assert row.queues == ["analyze", "inspect"]
    assert row.host
    assert row.torch_version[0].isdigit()
    assert row.alive_until > row.seen_at


def test_who_is_gone_for_long_is_forgotten(engine: Engine) -> None:
    for name in ("gone", "long gone", "here"):
        make(engine, name).renew()
    with engine.begin() as connection:
        silent = update(Worker).values(alive_until=epoch_now() - KEEP_SECONDS / 2)
        connection.execute(silent.where(Worker.name == "gone"))
        silent = update(Worker).values(alive_until=epoch_now() - KEEP_SECONDS - 1)
        connection.execute(silent.where(Worker.name == "long gone"))
    make(engine, "here").renew()
    assert sorted(read(engine, Worker.name)) == ["gone", "here"]
