import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import InternalError

from service.database import engine
from service.database.base import Base
from service.database.engine import READS_ONLY, close, make_engine, short_lived_engine
from service.database.files import FileRepository
from service.database.tables import File


def test_a_transaction_that_nobody_goes_on_with_gives_its_locks_back(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 1)
    frozen, other = make_engine(postgres_url), make_engine(postgres_url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE t (x int)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))
    held = frozen.connect()
    held.execute(text("SELECT x FROM t FOR UPDATE"))
    with other.begin() as connection:  # waits for the lock, which comes free
        connection.execute(text("UPDATE t SET x = 1"))
    with pytest.raises(InternalError, match="idle-in-transaction"):
        held.execute(text("SELECT x FROM t"))
    held.invalidate()
    held.close()
    frozen.dispose()
    other.dispose()


def test_a_transaction_that_moves_an_object_may_take_longer(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 1)
    moving = make_engine(postgres_url)
    Base.metadata.create_all(moving)
    with moving.begin() as connection:
        FileRepository(connection).hold("0" * 64, 1)
        time.sleep(2)
    with moving.begin() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1s"
        assert connection.scalar(select(File.size)) == 1
    moving.dispose()


def test_a_connection_that_is_used_is_closed_afterwards(postgres_url: str) -> None:
    closing = make_engine(postgres_url)
    connection = closing.connect()
    used: Any = connection.connection.dbapi_connection
    close(closing)
    assert connection.scalar(text("SELECT 1")) == 1
    assert not used.closed
    connection.close()
    assert used.closed


@pytest.mark.parametrize("fails", [False, True])
def test_a_short_lived_engine_leaves_no_connection(postgres_url: str, *, fails: bool) -> None:
    with suppress(KeyError), short_lived_engine(postgres_url) as used:
        pool: Any = used.pool
        with used.connect() as connection:
            connection.execute(text("SELECT 1"))
        assert pool.checkedin() == 1
        if fails:
            raise KeyError
    assert pool.checkedin() == 0


def test_readers_on_sqlite_wait_for_no_writer(tmp_path: Path) -> None:
    shared = make_engine(f"sqlite:///{tmp_path / 'narrows.db'}")
    Base.metadata.create_all(shared)
    reading = shared.execution_options(**READS_ONLY)
    with shared.begin() as writer:
        FileRepository(writer).hold("0" * 64, 1)
        with reading.begin() as reader:
            assert reader.scalar(select(File.size)) is None
    with reading.begin() as reader:
        assert reader.scalar(select(File.size)) == 1
    shared.dispose()


def test_readers_on_postgresql_can_not_write(postgres_url: str) -> None:
    shared = make_engine(postgres_url)
    Base.metadata.create_all(shared)
    with (
        shared.execution_options(**READS_ONLY).begin() as reader,
        pytest.raises(InternalError, match="read-only"),
    ):
        FileRepository(reader).hold("0" * 64, 1)
    with shared.begin() as writer:
        FileRepository(writer).hold("0" * 64, 1)
    shared.dispose()
