import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.keys.secrets import make_key, server_secret
from service.keys.service import create_key, ensure_local_key, list_keys, revoke_key
from service.private_file import read_or_create
from service.settings import Settings
from tests.support.answers import problem


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestKeys:
    def test_only_the_digest_is_stored(self, settings: Settings, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            row, key = create_key(
                server_secret(settings), session, owner="ann", name="a", scopes=["read"]
            )
            assert key.startswith("nrw_")
            assert len(key) >= 4 + 43
            assert key not in str(vars(row))
            assert [row.id for row in list_keys(session, "ann")] == [row.id]
            assert list_keys(session, "bob") == []

    def test_revoked(self, settings: Settings, engine: Engine, server: str) -> None:
        with Session(engine) as session, session.begin():
            row, key = create_key(
                server_secret(settings), session, owner="ann", name="a", scopes=["read"]
            )
            key_id = row.id
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{server}/v1/models", headers=headers, timeout=30).status_code == 200
        with Session(engine) as session, session.begin():
            assert revoke_key(session, key_id)
            assert not revoke_key(session, key_id)
        problem(httpx.get(f"{server}/v1/models", headers=headers, timeout=30), 401, "unauthorized")

    @pytest.mark.parametrize(
        "value", ["", "Bearer", "Bearer x", "Bearer a b", "Basic eDp5", "Bearer ÿ", "nrw_x"]
    )
    def test_no_such_key(self, server: str, value: str) -> None:
        headers = {b"Authorization": value.encode("latin-1")}
        answer = httpx.get(f"{server}/v1/models", headers=headers, timeout=30)
        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="narrows"'


class TestLocalKey:
    def test_made_once(self, settings: Settings, engine: Engine, server: str) -> None:
        with Session(engine) as session, session.begin():
            key, new = ensure_local_key(settings, session)
            assert new
            assert ensure_local_key(settings, session) == (key, False)
            assert len(list_keys(session)) == 1
        assert mode(settings.data / "api-key") == mode(settings.data / "secret") == 0o600
        assert (settings.data / "api-key").read_text() == key
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{server}/v1/models", headers=headers, timeout=30).status_code == 200

    def test_database_that_does_not_know_it(self, settings: Settings, engine: Engine) -> None:
        (settings.data / "api-key").write_text(make_key() + "\n")
        with Session(engine) as session, session.begin():
            _, new = ensure_local_key(settings, session)
            assert not new
            assert [row.owner for row in list_keys(session)] == ["local"]

    def test_processes_that_start_together(self, settings: Settings, engine: Engine) -> None:
        def ensure(_: int) -> tuple[str, bool]:
            with Session(engine) as session, session.begin():
                return ensure_local_key(settings, session)

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ensure, range(8)))
        assert len({key for key, _ in found}) == 1
        assert sum(new for _, new in found) == 1


def test_secret_of_the_settings_comes_first(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data": tmp_path, "secret": "a secret of mine"})
    assert server_secret(settings) == b"a secret of mine"
    assert list(tmp_path.iterdir()) == []


def test_private_file_is_never_seen_empty(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(20):
            path = tmp_path / f"{round_}"
            found = set(pool.map(lambda _, p=path: read_or_create(p, make_key)[0], range(8)))
            assert len(found) == 1
            assert found.pop() == path.read_text()
    assert len(list(tmp_path.iterdir())) == 20
