"""Who may see which page: every route of all pages, by every kind of caller."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.tables import Analysis, AuditEntry, Key
from service.keys.secrets import Scope, server_secret
from service.settings import Settings
from service.web.cookie import sealed
from service.web.pages import PAGES
from tests.service.web.conftest import Browse
from tests.support.answers import Client, problem
from tests.support.upload_sessions import digest_header, session_request


class Rule(NamedTuple):
    """What a page asks for, what its owner gets, and what it does, for the audit log."""

    scope: Scope | None
    status: int = 200
    action: str | None = None
    body: dict[str, Any] | None = None


FILE: Final[dict[str, Any]] = {"files": {"file": ("f", b"bytes")}}
PART: Final = b"a file of one part"
NAME: Final[dict[str, Any]] = {"data": {"name": "mine", "tags": "a, b", "metadata": "k=v"}}
RULES: Final = {
    "GET /sign-in": Rule(None),
    "POST /sign-in": Rule(None, 401),  # without a key
    "POST /sign-out": Rule(None, 303),
    "GET /analyses": Rule("read"),
    "GET /analyses/new": Rule("write"),
    "POST /analyses": Rule(
        "write",
        303,
        "analysis.create",
        {"data": {"model_id": "{model_id}", "dataset_id": "{dataset_id}"}},
    ),
    "GET /analyses/{analysis_id}": Rule("read"),
    "GET /compare": Rule("read", body={"params": {"a": "{analysis_id}", "b": "{analysis_id}"}}),
    "GET /analyses/{job_id}/events": Rule("read"),
    "GET /analyses/{analysis_id}/layers/{index}": Rule("read"),
    "GET /analyses/{analysis_id}/report": Rule("read"),
    "GET /analyses/{job_id}/files/{name}": Rule("read", 404),  # nothing was built
    "POST /analyses/{job_id}/cancel": Rule("write", 303),  # it has ended
    "GET /analyses/{named_id}/name": Rule("write"),
    "POST /analyses/{named_id}/name": Rule("write", 303, "analysis.change", NAME),
    "GET /analyses/{analysis_id}/follow-ups": Rule("write"),
    "POST /analyses/{analysis_id}/follow-ups": Rule(
        "write",
        409,
        body={"data": {"form": "budget", "budget": "20"}},  # no partial sums
    ),
    "GET /trials": Rule("read"),
    "GET /trials/new": Rule("write", body={"params": {"analysis": "{analysis_id}"}}),
    "POST /trials": Rule(
        "write",
        303,
        "trial.create",
        {
            "data": {
                "analysis_id": "{analysis_id}",
                "plans": "double",
                "variants": "plan",
                "seeds": "1",
            }
        },
    ),
    "GET /trials/{trial_id}": Rule("read"),
    "GET /trials/{job_id}/events": Rule("read"),
    "GET /trials/{job_id}/files/{name}": Rule("read", 404),  # it has expired
    "POST /trials/{job_id}/cancel": Rule("write", 303),  # it has ended
    "GET /trials/{named_id}/name": Rule("write"),
    "POST /trials/{named_id}/name": Rule("write", 303, "trial.change", NAME),
    "POST /trials/{job_id}/delete": Rule("write", 303, "trial.delete"),
    "POST /analyses/{job_id}/delete": Rule("write", 303, "analysis.delete"),
    "GET /models": Rule("read"),
    "POST /models": Rule("write", 303, "model.create", FILE),
    "GET /models/{upload_id}": Rule("read"),
    "GET /models/{named_id}/name": Rule("write"),
    "POST /models/{named_id}/name": Rule("write", 303, "model.change", NAME),
    "POST /models/{upload_id}/delete": Rule("write", 303, "model.delete"),
    "GET /datasets": Rule("read"),
    "POST /datasets": Rule("write", 303, "dataset.create", FILE),
    "GET /datasets/{upload_id}": Rule("read"),
    "GET /datasets/{named_id}/name": Rule("write"),
    "POST /datasets/{named_id}/name": Rule("write", 303, "dataset.change", NAME),
    "POST /datasets/{upload_id}/delete": Rule("write", 303, "dataset.delete"),
    "POST /uploads": Rule("write", 200, "upload.create", {"data": session_request(b"another")}),
    "PUT /uploads/{session_id}/parts/{number}": Rule(
        "write", 204, body={"content": PART, "headers": {"Content-Digest": digest_header(PART)}}
    ),
    "POST /uploads/{session_id}/complete": Rule("write", 303, "model.create"),
    "GET /webhooks": Rule("read"),
    "POST /webhooks": Rule(
        "write",
        200,
        "webhook.create",
        {"data": {"url": "https://example.com", "events": "trial.failed"}},
    ),
    "GET /webhooks/{webhook_id}": Rule("read"),
    "POST /webhooks/{webhook_id}/test": Rule("write", 303, "webhook.test"),
    "POST /webhooks/{webhook_id}/delete": Rule("write", 303, "webhook.delete"),
}
"""Every page needs an entry: think about who may see it. In an order in which its owner can ask."""


def test_every_page_has_a_rule() -> None:
    routes = [route for page in PAGES for route in page.router.routes]
    pages = [route for route in routes if isinstance(route, APIRoute)]
    assert pages == routes
    found = [f"{method} {route.path}" for route in pages for method in route.methods or ()]
    assert sorted(found) == sorted(RULES)
    assert not any(route.include_in_schema for route in pages)


class Asked(NamedTuple):
    method: str
    path: str
    rule: Rule

    def by(self, client: httpx.Client, **headers: str) -> httpx.Response:
        body = {"headers": {}, **(self.rule.body or {})}
        body["headers"] = {"Accept": "application/json", **body["headers"], **headers}
        return client.request(self.method, self.path, **body)


@pytest.fixture
def asked(ann: httpx.Client, trial: dict[str, Any], train: Callable[[str], None]) -> list[Asked]:
    train(trial["id"])
    hook = ann.post("/v1/webhooks", json={"url": "https://example.invalid"}).json()
    begun = ann.post("/v1/uploads", json=session_request(PART)).json()
    ids = {name: trial[name] for name in ("model_id", "dataset_id", "analysis_id")}
    ids |= {"trial_id": trial["id"], "webhook_id": hook["id"], "index": "1", "name": "a.pt2"}
    ids |= {"session_id": begun["id"], "number": "0"}
    found = []
    for name, rule in RULES.items():
        method, path = name.split()
        ids["upload_id"] = ids["model_id" if "/models" in path else "dataset_id"]
        ids["job_id"] = ids["trial_id" if "/trials" in path else "analysis_id"]
        ids["named_id"] = ids[
            "job_id" if path.startswith(("/analyses", "/trials")) else "upload_id"
        ]
        body = {
            part: {key: str(text).format(**ids) for key, text in given.items()}
            if part in ("params", "data")
            else given
            for part, given in (rule.body or {}).items()
        }
        found.append(Asked(method, path.format(**ids), rule._replace(body=body)))
    return found


def test_who_has_not_signed_in(
    asked: list[Asked], server: str, settings: Settings, ann: httpx.Client, engine: Engine
) -> None:
    with Session(engine) as session, session.begin():
        (key_id,) = session.scalars(select(Key.id).where(Key.owner == "ann"))
    secret, soon = server_secret(settings), utc_now() + timedelta(hours=1)
    cookies = {
        "of nobody": "",
        "garbage": "narrows",
        "too long": f"{key_id}.99999999999999999999.{'0' * 64}",
        "of another secret": sealed(b"another", key_id, soon),
        "of the past": sealed(secret, key_id, utc_now() - timedelta(seconds=1)),
        "of no key": sealed(secret, "key_" + "0" * 24, soon),
    }
    closed = [one for one in asked if one.rule.scope is not None]
    for one in closed:
        problem(one.by(ann, Origin=server), 401, "unauthorized")  # a key alone opens no page
    for cookie in cookies.values():
        with httpx.Client(base_url=server, cookies={"narrows": cookie}, timeout=30) as client:
            for one in closed:
                problem(one.by(client, Origin=server), 401, "unauthorized")


def test_what_another_owner_sees(
    asked: list[Asked], client_of: Client, browse: Browse, model: dict[str, Any]
) -> None:
    bob = browse(client_of("bob"))
    for one in asked:
        if one.rule.scope is None:
            continue
        answer = one.by(bob)
        if "_" in one.path or "_" in str(one.rule.body):  # of ann's
            assert answer.status_code == 404 or "There is no model" in answer.text
        elif one.method == "GET":
            assert model["id"] not in answer.text


def test_what_a_key_lacks(asked: list[Asked], client_of: Client, browse: Browse) -> None:
    for scopes in (("read",), ("write",)):
        lacking = browse(client_of("ann", scopes))
        for one in asked:
            if one.rule.scope and one.rule.scope not in scopes:
                problem(one.by(lacking), 403, "forbidden")


def test_what_its_owner_gets(
    asked: list[Asked], ann: httpx.Client, browse: Browse, engine: Engine
) -> None:
    own = browse(ann)
    for one in asked:
        if one.rule.scope is None:
            continue
        answer = one.by(own)
        assert answer.status_code == one.rule.status, (one.path, answer.text)
        if one.rule.action:
            with Session(engine) as session:
                newest = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)
                last = session.scalars(newest).one()
            assert (last.owner, last.action) == ("ann", one.rule.action)
        if one.rule.action in ("analysis.create", "trial.create"):  # so that all can be deleted
            for after in ("cancel", "delete"):
                own.post(f"{answer.headers['location']}/{after}")
    with Session(engine) as session:
        assert session.scalars(select(Analysis)).all() == []


def test_forms_of_other_sites(
    asked: list[Asked], server: str, ann: httpx.Client, browse: Browse
) -> None:
    foreign = (
        {"Sec-Fetch-Site": "cross-site", "Origin": server},
        {"Sec-Fetch-Site": "same-site", "Origin": server},  # another port of this host
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": ""},
    )
    client = browse(ann)
    for one in asked:
        for headers in foreign:
            if one.method != "GET":
                problem(one.by(client, **headers), 403, "foreign-form")
    answer = client.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin", "Origin": ""})
    assert answer.status_code == 303


def test_a_cookie_ends_with_its_key(client_of: Client, browse: Browse, engine: Engine) -> None:
    for ends in ({"revoked_at": utc_now()}, {"expires_at": utc_now()}):
        client = browse(client_of("carl"))
        assert client.get("/analyses").status_code == 200
        with Session(engine) as session, session.begin():
            newest = select(Key).where(Key.owner == "carl").order_by(Key.created_at.desc())
            for name, value in ends.items():
                setattr(session.scalars(newest.limit(1)).one(), name, value)
        assert client.get("/analyses").headers["location"] == "/sign-in?then=%2Fanalyses"


def test_the_cookie_opens_pages_alone(ann: httpx.Client, browse: Browse) -> None:
    client = browse(ann)
    for path in ("/v1/analyses", "/v1/models", "/v1/usage"):
        problem(client.get(path), 401, "unauthorized")
    problem(client.post("/v1/models", **FILE), 401, "unauthorized")
