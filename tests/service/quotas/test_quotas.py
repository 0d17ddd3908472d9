"""Limits of owners, over HTTP: what is refused, what goes again, and who may change a limit."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from service.cli.commands import app
from service.database.base import utc_now
from service.database.tables import Analysis, AuditEntry
from service.settings import Settings, get_settings
from tests.support.answers import created, problem


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = {"limit_analyses": 3, "limit_trials": 1, "limit_bytes": 1000}
    return settings.model_copy(update={**limits, "limit_uploads_per_day": 5})


@pytest.fixture
def asked(model: dict[str, Any], dataset: dict[str, Any]) -> dict[str, str]:
    return {"model_id": model["id"], "dataset_id": dataset["id"]}


def upload(client: httpx.Client, content: bytes = b"m", name: str = "m") -> httpx.Response:
    return client.post("/v1/models", files={"file": (name, content)})


def limits(client: httpx.Client) -> dict[str, dict[str, int | None]]:
    found: dict[str, dict[str, int | None]] = client.get("/v1/usage").json()["limits"]
    return found


class TestJobs:
    def test_one_too_many_waits_until_one_has_ended(
        self, ann: httpx.Client, asked: dict[str, str]
    ) -> None:
        first = created(ann.post("/v1/analyses", json=asked))
        for _ in range(2):
            created(ann.post("/v1/analyses", json=asked))
        refused = ann.post("/v1/analyses", json=asked)
        document = problem(refused, 429, "too-many-requests")
        assert document["limit"] == 3
        assert "3 analyses are queued or running" in document["detail"]
        assert int(refused.headers["retry-after"]) > 0
        assert '"analyses";q=3' in refused.headers["ratelimit-policy"]
        assert '"analyses";r=0' in refused.headers["ratelimit"]
        assert limits(ann)["analyses"] == {"limit": 3, "used": 3, "left": 0}

        ann.post(f"/v1/analyses/{first['id']}/cancel")
        created(ann.post("/v1/analyses", json=asked))

    def test_a_repeated_request_is_no_more(self, ann: httpx.Client, asked: dict[str, str]) -> None:
        made = [
            created(ann.post("/v1/analyses", json=asked, headers={"Idempotency-Key": key}))
            for key in ("a", "b", "c", "a")
        ]
        assert made[0]["id"] == made[3]["id"]

    def test_of_requests_at_once_none_is_too_many(
        self, ann: httpx.Client, asked: dict[str, str]
    ) -> None:
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(lambda _: ann.post("/v1/analyses", json=asked).status_code, range(8))
            )
        assert sorted(answers) == [202] * 3 + [429] * 5

    def test_trials_count_by_themselves_and_with_their_analysis(
        self, ann: httpx.Client, asked: dict[str, str]
    ) -> None:
        created(ann.post("/v1/trials", json=asked))
        document = problem(ann.post("/v1/trials", json=asked), 429, "too-many-requests")
        assert "1 trials are queued or running" in document["detail"]
        assert [limits(ann)[name]["used"] for name in ("analyses", "trials")] == [1, 1]

    def test_owners_do_not_share_limits(
        self, ann: httpx.Client, bob: httpx.Client, asked: dict[str, str], engine: Engine
    ) -> None:
        for _ in range(3):
            created(ann.post("/v1/analyses", json=asked))
        mine = {
            "model_id": created(upload(bob))["id"],
            "dataset_id": created(bob.post("/v1/datasets", files={"file": ("d", b"d")}))["id"],
        }
        created(bob.post("/v1/analyses", json=mine))
        with Session(engine) as session, session.begin():
            session.execute(update(Analysis).values(state="succeeded"))
        created(ann.post("/v1/analyses", json=asked))


class TestUploads:
    def test_so_many_a_day(self, ann: httpx.Client, engine: Engine) -> None:
        made = [created(upload(ann, name=f"m{n}")) for n in range(5)]
        ann.delete(f"/v1/models/{made[0]['id']}")  # it was uploaded, nevertheless
        refused = upload(ann, name="more")
        problem(refused, 429, "too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= 24 * 60 * 60
        assert '"uploads";q=5;w=86400' in refused.headers["ratelimit-policy"]
        assert limits(ann)["uploads_per_day"] == {"limit": 5, "used": 5, "left": 0}

        with Session(engine) as session, session.begin():
            yesterday = utc_now() - timedelta(hours=24, seconds=1)
            session.execute(update(AuditEntry).values(at=yesterday))
        created(upload(ann, name="more"))

    def test_so_many_bytes(self, ann: httpx.Client, bob: httpx.Client) -> None:
        first = created(upload(ann, b"x" * 600))
        document = problem(upload(ann, b"y" * 401), 413, "too-large")
        assert document["limit"] == 1000
        assert "600 of 1000 bytes are used" in document["detail"]
        created(upload(ann, b"y" * 400))
        created(upload(bob, b"z" * 1000))
        ann.delete(f"/v1/models/{first['id']}")
        created(upload(ann, b"y" * 401))

    def test_what_arrives_in_parts_counts_from_the_start(self, ann: httpx.Client) -> None:
        content = b"x" * 600
        sha256 = hashlib.sha256(content).hexdigest()
        asked = {"kind": "model", "name": "m", "size": 600, "sha256": sha256}
        session = ann.post("/v1/uploads", json=asked).json()
        assert limits(ann)["bytes"]["used"] == 600
        problem(ann.post("/v1/uploads", json=asked), 413, "too-large")
        problem(upload(ann, b"y" * 401), 413, "too-large")
        ann.delete(f"/v1/uploads/{session['id']}")
        created(upload(ann, b"y" * 401))

    def test_nothing_is_received_that_is_too_much(self, ann: httpx.Client) -> None:
        created(upload(ann, b"x" * 1000))
        document = problem(upload(ann, b"y" * (3 << 20)), 413, "too-large")
        assert "this needs 2097" in document["detail"]  # as the header said, not as it came

    def test_uploads_at_once_stay_within_the_limit(self, ann: httpx.Client) -> None:
        with ThreadPoolExecutor(4) as threads:
            answers = threads.map(lambda n: upload(ann, bytes([n]) * 400).status_code, range(4))
        assert sorted(answers) == [201, 201, 413, 413]


class TestLimits:
    PATH = "/v1/owners/ann/limits"

    def test_anonymous_and_owners_may_not_change_them(
        self, anonymous: httpx.Client, ann: httpx.Client
    ) -> None:
        problem(anonymous.put(self.PATH, json={}), 401, "unauthorized")
        problem(ann.put(self.PATH, json={"analyses": 99}), 403, "forbidden")

    def test_admins_give_an_owner_others(
        self, admin: httpx.Client, ann: httpx.Client, bob: httpx.Client, asked: dict[str, str]
    ) -> None:
        changed = admin.put(self.PATH, json={"analyses": 1, "bytes": 0})
        assert changed.json()["limits"]["analyses"] == {"limit": 1, "used": 0, "left": 1}
        created(ann.post("/v1/analyses", json=asked))
        problem(ann.post("/v1/analyses", json=asked), 429, "too-many-requests")
        problem(upload(ann), 413, "too-large")
        assert limits(bob)["analyses"]["limit"] == 3
        admin.put(self.PATH, json={})  # as usual again
        created(ann.post("/v1/analyses", json=asked))

    @pytest.mark.parametrize(
        "body",
        [{"analyses": -1}, {"requests_per_second": 0}, {"analysis": 1}, {"bytes": 2**53}, []],
    )
    def test_wrong_ones(self, admin: httpx.Client, body: Any) -> None:
        problem(admin.put(self.PATH, json=body), 422, "invalid")

    def test_wrong_owners(self, admin: httpx.Client) -> None:
        for owner in ("x" * 129, "%00"):
            problem(admin.put(f"/v1/owners/{owner}/limits", json={}), 422, "invalid")

    def test_on_the_command_line(
        self, settings: Settings, ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NARROWS_DATA", str(settings.data))
        monkeypatch.setenv("NARROWS_DATABASE_URL", settings.database_url)
        get_settings.cache_clear()
        arguments = ["owners", "limit", "ann"]
        assert CliRunner().invoke(app, [*arguments, "--analyses", "7"]).exit_code == 0
        told = CliRunner().invoke(app, [*arguments, "--trials", "8"])
        get_settings.cache_clear()
        assert [line.split()[:2] for line in told.output.splitlines()[:2]] == [
            ["analyses", "7"],
            ["trials", "8"],
        ]
        assert (limits(ann)["analyses"]["limit"], limits(ann)["trials"]["limit"]) == (7, 8)
