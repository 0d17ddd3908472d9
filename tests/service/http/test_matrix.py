"""Who may do what: every route of the OpenAPI document, by every kind of caller."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.tables import AuditEntry
from service.keys.secrets import Scope, server_secret
from service.keys.service import create_key, revoke_key
from service.settings import Settings
from tests.support.answers import Client, created, problem
from tests.support.upload_sessions import digest_header, session_request

DOCUMENT = json.loads((Path(__file__).parents[3] / "openapi.json").read_text())
OPERATIONS = [(m, p) for p, operations in DOCUMENT["paths"].items() for m in operations]


class Rule(NamedTuple):
    """What a route asks for, what its owner gets, and what it does, for the audit log."""

    scope: Scope | None
    status: int = 200
    action: str | None = None
    body: dict[str, Any] | None = None


FILE: Final = {"files": {"file": ("f", b"bytes")}}
SESSION: Final = {"json": session_request(b"bytes")}
PART: Final = {"content": b"bytes", "headers": {"Content-Digest": digest_header(b"bytes")}}
RULES: Final = {
    "get /": Rule(None),
    "get /livez": Rule(None),
    "get /readyz": Rule(None),
    "get /metrics": Rule("admin"),
    "get /v1/models": Rule("read"),
    "post /v1/models": Rule("write", 201, "model.create", FILE),
    "get /v1/models/{model_id}": Rule("read"),
    "patch /v1/models/{model_id}": Rule(
        "write", 200, "model.change", {"json": {"expires_at": None}}
    ),
    "delete /v1/models/{model_id}": Rule("write", 204, "model.delete"),
    "get /v1/datasets": Rule("read"),
    "post /v1/datasets": Rule("write", 201, "dataset.create", FILE),
    "get /v1/datasets/{dataset_id}": Rule("read"),
    "patch /v1/datasets/{dataset_id}": Rule(
        "write", 200, "dataset.change", {"json": {"expires_at": None}}
    ),
    "delete /v1/datasets/{dataset_id}": Rule("write", 204, "dataset.delete"),
    "get /v1/uploads": Rule("read"),
    "post /v1/uploads": Rule("write", 201, "upload.create", SESSION),
    "get /v1/uploads/{upload_id}": Rule("read"),
    "put /v1/uploads/{upload_id}/parts/{number}": Rule("write", 204, None, PART),
    "post /v1/uploads/{upload_id}/complete": Rule("write", 201, "model.create"),
    "delete /v1/uploads/{upload_id}": Rule("write", 204, "upload.cancel"),
    "get /v1/analyses": Rule("read"),
    "post /v1/analyses": Rule(
        "write",
        202,
        "analysis.create",
        {"json": {"model_id": "{model_id}", "dataset_id": "{dataset_id}"}},
    ),
    "get /v1/analyses/{analysis_id}": Rule("read"),
    "patch /v1/analyses/{analysis_id}": Rule("write", 200, "analysis.change", {"json": {}}),
    "post /v1/analyses/{analysis_id}/cancel": Rule("write", 200, "analysis.cancel"),
    "delete /v1/analyses/{analysis_id}": Rule("write", 204, "analysis.delete"),
    "get /v1/analyses/{analysis_id}/events": Rule("read"),
    "get /v1/analyses/{analysis_id}/layers": Rule("read", 409),  # it has not succeeded
    "get /v1/analyses/{analysis_id}/structures": Rule("read", 409),
    "get /v1/analyses/{analysis_id}/plans": Rule("read", 409),
    "post /v1/analyses/{analysis_id}/follow-ups": Rule("write", 409, None, {"json": {}}),
    "post /v1/analyses/{analysis_id}/plans": Rule("write", 409, None, {"json": {"budget": 0.1}}),
    "post /v1/analyses/{analysis_id}/builds": Rule(
        "write", 409, None, {"json": {"plan": "double"}}
    ),
    "get /v1/analyses/{analysis_id}/report": Rule("read", 409),
    "get /v1/analyses/{analysis_id}/comparison": Rule(
        "read", 409, None, {"params": {"against": "{analysis_id}"}}
    ),
    "get /v1/analyses/{analysis_id}/artifacts": Rule("read", 409),
    "get /v1/analyses/{analysis_id}/artifacts/{name}": Rule("read", 409),
    "get /v1/trials": Rule("read"),
    "post /v1/trials": Rule(
        "write",
        202,
        "trial.create",
        {"json": {"model_id": "{model_id}", "dataset_id": "{dataset_id}"}},
    ),
    "get /v1/trials/{trial_id}": Rule("read"),
    "patch /v1/trials/{trial_id}": Rule("write", 200, "trial.change", {"json": {}}),
    "post /v1/trials/{trial_id}/cancel": Rule("write", 200, "trial.cancel"),
    "delete /v1/trials/{trial_id}": Rule("write", 204, "trial.delete"),
    "get /v1/trials/{trial_id}/events": Rule("read"),
    "get /v1/trials/{trial_id}/runs": Rule("read"),
    "get /v1/trials/{trial_id}/artifacts": Rule("read", 409),
    "get /v1/trials/{trial_id}/artifacts/{name}": Rule("read", 409),
    "get /v1/webhooks": Rule("read"),
    "post /v1/webhooks": Rule(
        "write", 201, "webhook.create", {"json": {"url": "https://example.com/hook"}}
    ),
    "get /v1/webhooks/{webhook_id}": Rule("read"),
    "patch /v1/webhooks/{webhook_id}": Rule("write", 200, "webhook.change", {"json": {}}),
    "delete /v1/webhooks/{webhook_id}": Rule("write", 204, "webhook.delete"),
    "post /v1/webhooks/{webhook_id}/rotate": Rule("write", 200, "webhook.rotate"),
    "post /v1/webhooks/{webhook_id}/test": Rule("write", 202, "webhook.test"),
    "get /v1/webhooks/{webhook_id}/deliveries": Rule("read"),
    "post /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend": Rule(
        "write", 202, "webhook.resend"
    ),
    "get /v1/workers": Rule("read"),
    "get /v1/usage": Rule("read"),
    "get /v1/owners": Rule("admin"),
    "get /v1/owners/{owner}/analyses": Rule("admin"),
    "put /v1/owners/{owner}/limits": Rule("admin", 200, "owner.limit", {"json": {}}),
    "get /v1/owners/{owner}/retention": Rule("admin"),
    "put /v1/owners/{owner}/retention": Rule("admin", 200, "owner.retain", {"json": {}}),
    "get /v1/audit": Rule("admin"),
    "get /v1/keys": Rule("admin"),
    "post /v1/keys": Rule("admin", 201, "key.create", {"json": {"owner": "carl"}}),
    "post /v1/keys/{key_id}/rotate": Rule("admin", 201, "key.rotate", {"json": {}}),
    "get /v1/keys/{key_id}": Rule("admin"),
    "delete /v1/keys/{key_id}": Rule("admin", 204, "key.revoke"),
}
"""Every route needs an entry: think about who may use it."""
OF_NOBODY: Final = ("{key_id}", "{owner}")
"""What admins reach of every owner."""


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the answers don't depend on it


def test_every_route_has_a_rule() -> None:
    assert sorted(RULES) == sorted(f"{method} {path}" for method, path in OPERATIONS)


class Matrix:
    """Sends one operation as different callers."""

    def __init__(self, method: str, path: str, ids: dict[str, str]) -> None:
        self.rule, self._method, self._path = RULES[f"{method} {path}"], method, path.format(**ids)
        self._body = dict(self.rule.body or {})
        for kind in self._body.keys() & {"json", "params"}:
            filled = {k: ids.get(str(v).strip("{}"), v) for k, v in self._body[kind].items()}
            self._body[kind] = filled

    def send(self, client: httpx.Client) -> httpx.Response:
        return client.request(self._method, self._path, **self._body)


@pytest.fixture
def keyed(server: str, settings: Settings, engine: Engine) -> Callable[..., httpx.Client]:
    """Return a client with a key in a given condition."""

    def make(condition: str) -> httpx.Client:
        if condition == "garbage":
            key = "nrw_" + "x" * 43
        else:
            past = utc_now() - timedelta(seconds=1) if condition == "expired" else None
            with Session(engine) as session, session.begin():
                row, key = create_key(
                    server_secret(settings), session, owner="ann", name="k",
                    scopes=["read", "write", "admin"], expires_at=past,
                )  # fmt: skip
                if condition == "revoked":
                    assert revoke_key(session, row.id)
        return httpx.Client(
            base_url=server,
            headers={"Authorization": f"Bearer {key}"},
            verify=False,
            timeout=30,
        )

    return make


@pytest.fixture
def ids(
    request: pytest.FixtureRequest,
    settings: Settings,
    engine: Engine,
    model: dict[str, Any],
    dataset: dict[str, Any],
) -> dict[str, str]:
    """Ids of what ann owns; an analysis only where its own routes are asked."""
    path: str = request.node.callspec.params["path"]
    found = {"model_id": model["id"], "dataset_id": dataset["id"], "owner": "ann", "name": "a.pt2"}
    if "{analysis_id}" in path:
        found["analysis_id"] = request.getfixturevalue("analysis")["id"]
    if "{upload_id}" in path:
        ann = request.getfixturevalue("ann")
        found["upload_id"] = created(ann.post("/v1/uploads", **SESSION))["id"]
        found["number"] = "0"
        if path.endswith("/complete"):
            assert ann.put(f"/v1/uploads/{found['upload_id']}/parts/0", **PART).is_success
    if "{trial_id}" in path:
        body = {"model_id": model["id"], "dataset_id": dataset["id"]}
        found["trial_id"] = created(request.getfixturevalue("ann").post("/v1/trials", json=body))[
            "id"
        ]
    if "{webhook_id}" in path:
        ann = request.getfixturevalue("ann")
        made = created(ann.post("/v1/webhooks", json={"url": "https://example.invalid"}))
        found["webhook_id"] = made["id"]
        found["delivery_id"] = ann.post(f"/v1/webhooks/{made['id']}/test").json()["id"]
    with Session(engine) as session, session.begin():
        row, _ = create_key(
            server_secret(settings), session, owner="carl", name="c", scopes=["read"]
        )
        found["key_id"] = row.id
    return found


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_matrix(
    method: str,
    path: str,
    ids: dict[str, str],
    client_of: Client,
    keyed: Callable[[str], httpx.Client],
    engine: Engine,
    alter: Callable[..., None],
) -> None:
    asked = Matrix(method, path, ids)
    rule = asked.rule
    if rule.scope is None:
        assert asked.send(client_of(None)).status_code == rule.status
        return
    problem(asked.send(client_of(None)), 401, "unauthorized")
    for condition in ("garbage", "expired", "revoked"):
        with keyed(condition) as client:
            problem(asked.send(client), 401, "unauthorized")

    scopes: tuple[Scope, ...] = ("read", "write", "admin")
    for lacking in scopes:
        left = tuple(scope for scope in scopes if scope != lacking)
        if lacking == rule.scope and not (lacking == "read" and "admin" in left):
            problem(asked.send(client_of("ann", left)), 403, "forbidden")
    if rule.scope == "read":
        problem(asked.send(client_of("ann", ("write",))), 403, "forbidden")
        if not path.endswith("/events"):
            assert asked.send(client_of("ann", ("admin",))).status_code == rule.status

    other = asked.send(client_of("bob", scopes))
    refers = "model_id" in str(rule.body)
    if refers or ("{" in path and not any(name in path for name in OF_NOBODY)):
        problem(other, 404, "not-found")
    elif method == "get" and rule.scope == "read" and path != "/v1/workers":
        assert other.status_code == rule.status
        assert "ann" not in other.text
        assert ids["model_id"] not in other.text


@pytest.mark.parametrize(
    ("method", "path"), [(m, p) for m, p in OPERATIONS if RULES[f"{m} {p}"].action]
)
def test_changes_are_in_the_audit_log(
    method: str,
    path: str,
    ids: dict[str, str],
    client_of: Client,
    engine: Engine,
    request: pytest.FixtureRequest,
) -> None:
    asked = Matrix(method, path, ids)
    ann = client_of("ann", ("read", "write", "admin"))
    if method == "delete" and ("{analysis_id}" in path or "{trial_id}" in path):
        assert ann.post(f"{path.format(**ids)}/cancel").is_success
    answer = asked.send(ann)
    assert answer.status_code == asked.rule.status, answer.text
    with Session(engine) as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (last.owner, last.action, last.address) == ("ann", asked.rule.action, "127.0.0.1")
    assert last.request_id == answer.headers["x-request-id"]
    subject = answer.json()["id"] if answer.status_code in (201, 202) else last.subject
    assert last.subject in (subject, *ids.values())
    shown = ann.get("/v1/audit", params={"page_size": 1}).json()["items"][0]
    assert (shown["action"], shown["subject"]) == (asked.rule.action, last.subject)


def test_a_refused_change_is_not_in_the_audit_log(
    ann: httpx.Client, bob: httpx.Client, model: dict[str, Any], engine: Engine
) -> None:
    problem(bob.delete(f"/v1/models/{model['id']}"), 404, "not-found")
    with Session(engine) as session:
        actions = list(session.scalars(select(AuditEntry.action)))
    assert actions == ["model.create"]
