"""The roles of the database, as Docker Compose makes them, in a real PostgreSQL."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from service.database.base import Base
from service.database.migrate import upgrade
from service.settings import Settings
from tests.support.servers import unreachable

SCRIPTS = Path(__file__).parents[1] / "deploy" / "postgres"
ROLES = ("narrows_migrate", "narrows_api", "narrows_worker")
DENIED = psycopg.errors.InsufficientPrivilege


def psql(url: URL, *command: str, **more: str) -> None:
    if shutil.which("psql") is None:
        unreachable("psql")
    server = {"PGHOST": url.host or "", "PGPORT": str(url.port or 5432)}
    environment = {**os.environ, **server, "PGPASSWORD": url.password or "", **more}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


def as_role(url: URL, role: str) -> str:
    return url.set(username=role, password="p").render_as_string(hide_password=False)


@pytest.fixture
def database(postgres_url: str) -> Iterator[URL]:
    """A migrated database with the roles, made twice as in an upgrade."""
    url = make_url(postgres_url).set(drivername="postgresql")
    words = {"POSTGRES_USER": url.username or "", "POSTGRES_DB": url.database or ""}
    passwords = {f"{role}_PASSWORD": "p" for role in ("MIGRATE", "API", "WORKER")}
    for _ in range(2):
        psql(url, "sh", str(SCRIPTS / "roles.sh"), **words, **passwords)
    upgrade(Settings(database_url=as_role(url, "narrows_migrate")))
    target = f"host={url.host} user=narrows_migrate dbname={url.database}"
    psql(url, "psql", "--file", str(SCRIPTS / "grants.sql"), target, PGPASSWORD="p")
    yield url
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("DROP OWNED BY " + ", ".join(ROLES) + " CASCADE")


def test_none_is_a_superuser_and_only_one_changes_tables(database: URL) -> None:
    with psycopg.connect(as_role(database, "narrows_api")) as connection:
        query = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = ANY(%s)"
        rows = connection.execute(query, [list(ROLES)]).fetchall()
    assert rows == [(False, False, False)] * 3
    for role in ROLES[1:]:
        for change in ("CREATE TABLE x (i int)", "ALTER TABLE keys ADD x int", "DROP TABLE files"):
            with psycopg.connect(as_role(database, role)) as connection, pytest.raises(DENIED):
                connection.execute(change)


def allowed(database: URL, role: str) -> dict[str, str]:
    """Return which of SELECT, INSERT, UPDATE and DELETE a role may do in each table."""
    words = ("SELECT", "INSERT", "UPDATE", "DELETE")
    with psycopg.connect(as_role(database, role)) as connection:
        query = "SELECT has_table_privilege(%s::regclass, %s)"
        return {
            table: "".join(
                word[0]
                for word in words
                if connection.execute(query, [table, word]).fetchone() == (True,)
            )
            for table in (*Base.metadata.tables, "alembic_version")
        }


def test_what_the_api_may_do(database: URL) -> None:
    limited = {"audit": "SI", "alembic_version": "S"}
    assert {t: d for t, d in allowed(database, "narrows_api").items() if d != "SIUD"} == limited


def test_what_a_worker_may_do(database: URL) -> None:
    told = allowed(database, "narrows_worker")
    assert told["keys"] == told["audit"] == told["retention"] == ""
    assert told["models"] == told["datasets"] == told["analyses"] == told["trials"] == "SU"
    assert (told["webhooks"], told["deliveries"], told["files"]) == ("S", "I", "SIU")
    assert told["alembic_version"] == "S"
