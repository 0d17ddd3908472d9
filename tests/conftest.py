"""Servers that tests share: each test has its own folder, database and queues."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from service.database.migrate import upgrade
from service.settings import Settings

POSTGRES_URL = os.environ.get(
    "NARROWS_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL = os.environ.get("NARROWS_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


def _unreachable(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} can't be reached, and CI must test it")
    pytest.skip(f"{what} can't be reached")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A scratch database on the PostgreSQL server, dropped afterwards."""
    server = Settings(database_url=POSTGRES_URL).resolved_database_url
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"narrows_test_{secrets.token_hex(6)}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        _unreachable("PostgreSQL")
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'narrows.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a service of its own, with a migrated database."""
    settings = Settings(data=tmp_path, database_url=database_url)
    upgrade(settings)
    return settings


@pytest.fixture
def redis_url() -> Iterator[str]:
    """An empty Redis database."""
    client = redis.Redis.from_url(REDIS_URL)
    try:
        client.flushdb()
    except redis.ConnectionError:
        _unreachable("Redis")
    yield REDIS_URL
    client.flushdb()
    client.close()
