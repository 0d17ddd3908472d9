"""A data folder may have any name: no part of the service looks for it elsewhere."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.broker.celery_app import Broker, make_celery
from service.database.engine import make_engine
from service.database.migrate import is_current, upgrade
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.command_line import run_narrows

NAMES = [
    "job_feature%2Flogin", "ws%20a", "100%", "%(here)s", "what?x=1", "a#b", "a b", "é 網", "a\nb",
    "user:pw@host", "a&b;c", "back\\slash", "[x]~{y}", "+plus+",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_everything_lies_in_the_data_folder(name: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / name / "narrows")
    settings.data.mkdir(parents=True)
    upgrade(settings)
    engine = make_engine(settings.resolved_database_url)
    assert is_current(engine)
    engine.dispose()
    broker = Broker(make_celery(settings))
    broker.wake("analyze")
    broker.close()
    storage = Storage(settings.resolved_storage_url)
    stored = storage.put(b"a file")
    storage.keep(stored)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in (tmp_path / name).iterdir()] == ["narrows"]
    with sqlite3.connect(settings.data / "narrows.db") as database:
        assert database.execute("SELECT count(*) FROM analyses").fetchone() == (0,)
    database.close()
    assert len(list((settings.data / "broker" / "analyze").iterdir())) == 1
    path = storage.fetch(stored.sha256, tmp_path / "unused")
    assert path.is_relative_to(settings.data / "files")
    assert path.read_bytes() == b"a file"
    storage.sweep()


def test_the_url_survives_being_text(tmp_path: Path) -> None:
    url = Settings(data=tmp_path / "100%25?x#y").resolved_database_url
    assert make_url(url).database == str(tmp_path / "100%25?x#y" / "narrows.db")


def test_a_command_keeps_its_data_there(tmp_path: Path) -> None:
    data = tmp_path / "job_feature%2Flogin" / "a?b #c"
    for arguments in (("migrate",), ("keys", "create", "--owner", "ann"), ("keys", "list")):
        done = run_narrows(data, *arguments)
        assert done.returncode == 0, done.stderr
    assert "ann" in done.stdout
    assert {path.name for path in data.iterdir()} >= {"narrows.db", "secret"}
    assert [path.name for path in tmp_path.iterdir()] == ["job_feature%2Flogin"]
