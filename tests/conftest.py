"""Servers that tests share: each test has its own folder, database and queues."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from service.database.base import Base
from service.database.migrate import upgrade
from service.settings import Settings
from tests.support.distribution import ByFixtures, begin_with_the_longest, sides
from tests.support.faults.figures import FIGURE
from tests.support.left_out import leave_out_faults, remember, sentence
from tests.support.made_once import close_folders, open_folders
from tests.support.servers import unreachable

# A thread for each side, or test: their networks are too small for more. Torch reads it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

POSTGRES_URL = os.environ.get("NARROWS_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432")
# Tests that run side by side (pytest-xdist) have a Redis database each: 15, 14, …
_SIDE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
REDIS_URL = os.environ.get("NARROWS_TEST_REDIS_URL", f"redis://127.0.0.1:6379/{15 - _SIDE}")


def _is_side(config: pytest.Config) -> bool:
    """Tell whether this process runs tests for another (pytest-xdist)."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use the cores of the machine, unless the command says how many sides to have."""
    distributes = config.pluginmanager.hasplugin("xdist") and not _is_side(config)
    if distributes and config.option.numprocesses is None:
        config.option.numprocesses = "auto"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return sides(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    config.option.loadscopereorder = False  # which would begin with the most tests, not the longest
    return ByFixtures(config, log)


@pytest.hookimpl(trylast=True)  # when the cache is there
def pytest_configure(config: pytest.Config) -> None:
    if not _is_side(config):
        open_folders(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_side(config):
        close_folders()


@pytest.hookimpl(trylast=True)  # when the folders' own have marked their tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leave_out_faults(config, items)
    begin_with_the_longest(items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn from a side of pytest-xdist that has ended what it left out; each leaves out all."""
    if output := getattr(node, "workeroutput", None):
        remember(node.config, output.get("left_out", 0))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures of the fault tests, or that they were left out."""
    figures = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("faults")
    for line in sorted(figures):
        terminalreporter.write_line(line)
    if line := sentence(config):
        terminalreporter.write_line(line)


@contextmanager
def _scratch_database() -> Iterator[str]:
    server = make_url(Settings(database_url=POSTGRES_URL).resolved_database_url)
    admin = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = f"narrows_test_{secrets.token_hex(6)}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    except OperationalError:
        unreachable("PostgreSQL")
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def _migrated_postgres() -> Iterator[str]:
    with _scratch_database() as url:
        upgrade(Settings(database_url=url))
        yield url


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "narrows.db"
    upgrade(Settings(database_url=f"sqlite:///{path}"))
    return path


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL database."""
    with _scratch_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(database_kind: str, tmp_path: Path) -> Iterator[str]:
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'narrows.db'}"
    else:
        with _scratch_database() as url:
            yield url


@pytest.fixture
def database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A database of either kind, with its tables and nothing in them."""
    if database_kind == "sqlite":
        path = tmp_path / "narrows.db"
        shutil.copy(request.getfixturevalue("_migrated_sqlite"), path)
        yield f"sqlite:///{path}"
    else:
        url: str = request.getfixturevalue("_migrated_postgres")
        yield url
        engine = create_engine(url)
        with engine.begin() as connection:
            for table in reversed(
                Base.metadata.sorted_tables
            ):  # faster than TRUNCATE: no new files
                connection.execute(table.delete())
        engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a service of its own."""
    return Settings(data=tmp_path, database_url=database_url)


@pytest.fixture
def redis_url() -> Iterator[str]:
    """An empty Redis database."""
    client = redis.Redis.from_url(REDIS_URL)
    try:
        client.flushdb()
    except redis.ConnectionError:
        unreachable("Redis")
    yield REDIS_URL
    client.flushdb()
    client.close()
