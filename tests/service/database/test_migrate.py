import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from service.database import tables
from service.database.engine import make_engine
from service.database.migrate import alembic_config, is_current, upgrade
from service.settings import Settings


@pytest.fixture
def settings(empty_database_url: str, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, database_url=empty_database_url)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings.resolved_database_url)
    yield engine
    engine.dispose()


def test_migrations_make_the_tables_of_the_code(settings: Settings, engine: Engine) -> None:
    assert not is_current(engine)
    upgrade(settings)
    assert is_current(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.Layer.metadata) == []


def test_down_and_up_again(settings: Settings, engine: Engine) -> None:
    upgrade(settings)
    config = alembic_config(settings.resolved_database_url)
    command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert not is_current(engine)
    upgrade(settings)
    assert is_current(engine)


def test_processes_that_start_together(settings: Settings, engine: Engine) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=upgrade, args=(settings,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert is_current(engine)
