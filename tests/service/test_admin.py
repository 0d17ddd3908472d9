"""What operators see and do across owners."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from service.keys.service import list_keys
from service.keys.uses import Uses
from service.settings import Settings
from tests.support.answers import created, problem


def with_key(server: str, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=server, headers={"Authorization": f"Bearer {key}"}, verify=False, timeout=30
    )


class TestKeys:
    def test_a_key_works_until_it_is_revoked(self, admin: httpx.Client, server: str) -> None:
        made = created(admin.post("/v1/keys", json={"owner": " carl ", "scopes": ["read"]}))
        assert (made["owner"], made["scopes"], made["expires_at"]) == ("carl", ["read"], None)
        with with_key(server, made["key"]) as carl:
            assert carl.get("/v1/models").json()["items"] == []
            (listed,) = admin.get("/v1/keys", params={"owner": "carl"}).json()["items"]
            assert listed["id"] == made["id"]
            assert made["key"] not in str(listed)
            assert admin.delete(f"/v1/keys/{made['id']}").status_code == 204
            problem(carl.get("/v1/models"), 401, "unauthorized")
        problem(admin.delete(f"/v1/keys/{made['id']}"), 404, "not-found")

    def test_rotation_overlaps(self, admin: httpx.Client, server: str) -> None:
        until = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%S.%fZ}"
        body = {"owner": "carl", "name": "ci", "scopes": ["read"], "expires_at": until}
        old = created(admin.post("/v1/keys", json=body))
        assert old["expires_at"] == until
        problem(
            admin.post("/v1/keys", json={**body, "expires_at": "9999-01-01T00:00:00Z"}),
            422,
            "invalid",
        )
        new = created(admin.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_hours": 1}))
        assert (new["owner"], new["name"], new["scopes"]) == ("carl", "ci", ["read"])
        assert new["expires_at"] > old["expires_at"]
        for key in (old["key"], new["key"]):
            with with_key(server, key) as carl:
                assert carl.get("/v1/models").is_success
        (_, listed) = admin.get("/v1/keys", params={"owner": "carl"}).json()["items"]
        assert listed["expires_at"] < old["expires_at"]
        at_once = {"overlap_hours": 0}
        created(admin.post(f"/v1/keys/{new['id']}/rotate", json=at_once))
        with with_key(server, new["key"]) as carl:
            problem(carl.get("/v1/models"), 401, "unauthorized")
        problem(admin.post(f"/v1/keys/{new['id']}/rotate", json=at_once), 404, "not-found")

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"owner": ""}, "/owner"),
            ({"owner": " "}, "/owner"),
            ({"owner": "a\nb"}, "/owner"),
            ({"owner": "a", "scopes": []}, "/scopes"),
            ({"owner": "a", "scopes": ["root"]}, "/scopes/0"),
            ({"owner": "a", "days": 0}, "/days"),
            ({"owner": "a", "days": 1e9}, "/days"),
            ({"owner": "a", "other": 1}, "/other"),
        ],
    )
    def test_wrong_requests(self, admin: httpx.Client, wrong: Any, pointer: str) -> None:
        errors = problem(admin.post("/v1/keys", json=wrong), 422, "invalid")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]

    def test_pages(self, admin: httpx.Client) -> None:
        made = [created(admin.post("/v1/keys", json={"owner": "carl"}))["id"] for _ in range(3)]
        first = admin.get("/v1/keys", params={"owner": "carl", "page_size": 2}).json()
        rest = admin.get(
            "/v1/keys", params={"owner": "carl", "page_token": first["next_page_token"]}
        ).json()
        assert [key["id"] for key in first["items"] + rest["items"]] == made[::-1]

    def test_last_use(self, admin: httpx.Client, engine: Engine) -> None:
        (key,) = admin.get("/v1/keys", params={"owner": "operator"}).json()["items"]
        assert key["last_used_at"] is None
        uses = Uses()
        uses.note(key["id"])
        for _ in range(2):
            with Session(engine) as session, session.begin():
                uses.write(session)
        (used,) = admin.get("/v1/keys", params={"owner": "operator"}).json()["items"]
        assert used["last_used_at"] > used["created_at"]


class TestOwners:
    def test_what_each_has(
        self,
        admin: httpx.Client,
        ann: httpx.Client,
        bob: httpx.Client,
        analysis: dict[str, Any],
    ) -> None:
        created(ann.post("/v1/models", files={"file": ("again.pt2", b"a model")}))
        created(bob.post("/v1/datasets", files={"file": ("d.npz", b"four")}))
        of_ann = {
            "owner": "ann", "models": 2, "datasets": 1, "jobs": {"analysis": {"queued": 1}},
            "bytes": len(b"a model") + len(b"a dataset"),
        }  # fmt: skip
        of_bob = {"owner": "bob", "models": 0, "datasets": 1, "jobs": {}, "bytes": 4}

        def told(owner: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in owner.items() if name != "limits"}

        assert told(ann.get("/v1/usage").json()) == of_ann
        assert told(bob.get("/v1/usage").json()) == of_bob
        first = admin.get("/v1/owners", params={"page_size": 1}).json()
        rest = admin.get("/v1/owners", params={"page_token": first["next_page_token"]}).json()
        assert [*map(told, first["items"] + rest["items"])] == [of_ann, of_bob]
        assert admin.get("/v1/usage").json()["bytes"] == 0
        (listed,) = admin.get("/v1/owners/ann/analyses").json()["items"]
        assert listed["id"] == analysis["id"]


def test_the_log_says_who_asked(
    ann: httpx.Client, anonymous: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "service.http.middleware"):
        ann.get("/v1/models")
        anonymous.get("/v1/models")
    known, unknown = (vars(r) for r in caplog.records if r.name == "service.http.middleware")
    assert (known["owner"], known["address"]) == ("ann", "127.0.0.1")
    assert known["key"].startswith("key_")
    assert "owner" not in unknown
    assert unknown["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("option", "value"), [("owner", ""), ("owner", " "), ("scope", "all"), ("days", "nan")]
)
def test_a_wrong_option_is_named(
    settings: Settings, engine: Engine, option: str, value: str
) -> None:
    from service.cli.commands import app

    options = {"owner": "ann", option: value}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    refused = CliRunner().invoke(app, ["keys", "create", *words])
    assert refused.exit_code == 2
    assert f" --{option}: " in refused.output.replace("'", "")  # typer quotes, we don't
    with Session(engine) as session:
        assert list_keys(session) == []


@pytest.mark.parametrize("overlap", ["nan", "-1", "1e300"])
def test_an_overlap_has_bounds(overlap: str) -> None:
    from service.cli.commands import app

    refused = CliRunner().invoke(app, ["keys", "rotate", "key_1", "--overlap", overlap])
    assert refused.exit_code == 2
    assert "--overlap" in refused.output
