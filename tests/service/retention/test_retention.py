"""What expires is removed, what is used stays, and the same upload is there once."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.retention import Retention
from service.database.tables import Analysis, Artifact, AuditEntry, Dataset, File, Model
from service.retention.collector import Collector
from service.retention.due import Due
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import created, problem
from tests.support.command_line import run_narrows

DAY = timedelta(days=1)
Alter = Callable[..., None]


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings.resolved_storage_url)


@pytest.fixture
def collector(settings: Settings, engine: Engine, storage: Storage) -> Collector:
    return Collector(settings, engine, storage)


def stored(settings: Settings) -> list[str]:
    return sorted(p.name for p in (settings.data / "files").rglob("*") if p.is_file())


def upload(client: httpx.Client, content: bytes = b"a model", **fields: str) -> dict[str, Any]:
    return created(client.post("/v1/models", files={"file": ("m.pt2", content)}, data=fields))


def time_of(resource: dict[str, Any]) -> datetime | None:
    text = resource["expires_at"]
    return text and datetime.fromisoformat(text)


class TestExpiry:
    """When an upload expires: as it says itself, as its owner's entry says, or the settings."""

    def test_never(self, model: dict[str, Any], analysis: dict[str, Any]) -> None:
        assert model["expires_at"] is None
        assert analysis["expires_at"] is None

    def test_of_the_settings(self, ann: httpx.Client, settings: Settings) -> None:
        settings.keep_uploads_days = 2
        made = upload(ann)
        assert time_of(made) == datetime.fromisoformat(made["created_at"]) + 2 * DAY
        assert ann.get("/v1/models").json()["items"] == [made]

    def test_of_the_owner(
        self, ann: httpx.Client, bob: httpx.Client, settings: Settings, engine: Engine
    ) -> None:
        settings.keep_uploads_days = 2
        with Session(engine) as session, session.begin():
            session.add(Retention(owner="ann", uploads=5))
        for client, days in ((ann, 5), (bob, 2)):
            made = upload(client)
            assert time_of(made) == datetime.fromisoformat(made["created_at"]) + days * DAY

    def test_admins_set_it_for_an_owner(
        self, admin: httpx.Client, ann: httpx.Client, bob: httpx.Client, settings: Settings
    ) -> None:
        settings.keep_uploads_days, path = 2, "/v1/owners/ann/retention"
        for days in (9, 5):
            assert admin.put(path, json={"uploads": days}).json()["uploads"] == days
        for client, days in ((ann, 5), (bob, 2)):
            made = upload(client)
            assert time_of(made) == datetime.fromisoformat(made["created_at"]) + days * DAY
        assert admin.put(path, json={"artifacts": 0.5}).json() == {
            "uploads": 2, "results": None, "artifacts": 0.5,
        }  # fmt: skip
        assert admin.get(path).json()["artifacts"] == 0.5
        refused: list[Any] = [{"uploads": 0}, {"results": 36_501}, {"upload": 1}, []]
        for wrong in refused:
            problem(admin.put(path, json=wrong), 422, "invalid")
        problem(ann.put(path, json={}), 403, "forbidden")

    def test_at_upload(self, ann: httpx.Client, settings: Settings) -> None:
        settings.keep_uploads_days = 2
        assert time_of(upload(ann, expires_at="2090-01-31T12:00:00Z")) == datetime(
            2090, 1, 31, 12, tzinfo=UTC
        )

    @pytest.mark.parametrize("text", ["2020-01-31T12:00:00Z", "2090-01-31T12:00:00", "soon"])
    def test_wrong(self, ann: httpx.Client, settings: Settings, text: str) -> None:
        answer = ann.post("/v1/models", files={"file": b"x"}, data={"expires_at": text})
        assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/expires_at"
        assert stored(settings) == []

    @pytest.mark.parametrize("kind", ["model", "dataset"])
    def test_changed(
        self, kind: str, request: pytest.FixtureRequest, ann: httpx.Client,
        bob: httpx.Client, anonymous: httpx.Client,
    ) -> None:  # fmt: skip
        made = request.getfixturevalue(kind)
        path, body = f"/v1/{kind}s/{made['id']}", {"expires_at": "2090-01-31T12:00:00Z"}
        problem(anonymous.patch(path, json=body), 401, "unauthorized")
        problem(bob.patch(path, json=body), 404, "not-found")
        problem(ann.patch(path, json={"expires_at": "2020-01-31T12:00:00Z"}), 422, "invalid")
        problem(ann.patch(path, json={"size": 1}), 422, "invalid")
        assert ann.patch(path, json=body).json() == made | body
        assert ann.get(path).json() == made | body
        assert ann.patch(path, json={"expires_at": None}).json() == made


class TestUploads:
    def test_are_removed(
        self, model: dict[str, Any], ann: httpx.Client, collector: Collector, alter: Alter,
        settings: Settings, engine: Engine,
    ) -> None:  # fmt: skip
        collector.collect()
        assert ann.get(f"/v1/models/{model['id']}").is_success
        alter(Model, model["id"], expires_at=utc_now() - DAY)
        collector.collect()
        problem(ann.get(f"/v1/models/{model['id']}"), 404, "not-found")
        assert stored(settings) == []
        with Session(engine) as session:
            entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.action, entry.key_id, entry.owner) == ("model.expire", "retention", "ann")

    def test_that_running_work_uses_stay(
        self, analysis: dict[str, Any], collector: Collector, alter: Alter, ann: httpx.Client
    ) -> None:
        alter(Model, analysis["model_id"], expires_at=utc_now() - DAY)
        alter(Dataset, analysis["dataset_id"], expires_at=utc_now() - DAY, token="held")
        assert collector.due() == []
        ann.post(f"/v1/analyses/{analysis['id']}/cancel")
        assert [due.kind for due in collector.due()] == ["model"]  # the other is being inspected

    def test_of_results_leave_their_entry(
        self, analysis: dict[str, Any], collector: Collector, alter: Alter, ann: httpx.Client,
        succeed: Callable[[str], None], settings: Settings, dataset: dict[str, Any],
    ) -> None:  # fmt: skip
        succeed(analysis["id"])
        path = f"/v1/models/{analysis['model_id']}"
        alter(Model, analysis["model_id"], expires_at=utc_now() - DAY)
        (due,) = collector.due()
        assert "its entry stays for results" in due.reason
        collector.collect()
        assert stored(settings) == [dataset["sha256"]]
        assert ann.get(path).json()["state"] == "expired"
        assert ann.get(f"/v1/analyses/{analysis['id']}/layers").is_success
        assert ann.get("/v1/usage").json()["bytes"] == dataset["size"]
        body = {name: analysis[name] for name in ("model_id", "dataset_id")}
        problem(ann.post("/v1/analyses", json=body), 409, "upload-expired")
        again = {"analysis_id": analysis["id"]}
        problem(ann.post("/v1/trials", json=again), 409, "upload-expired")
        problem(ann.patch(path, json={"expires_at": None}), 409, "upload-expired")
        collector.collect()
        assert ann.get(path).is_success
        ann.delete(f"/v1/analyses/{analysis['id']}")
        collector.collect()
        problem(ann.get(path), 404, "not-found")

    def test_share_files(
        self, ann: httpx.Client, bob: httpx.Client, collector: Collector, alter: Alter,
        settings: Settings,
    ) -> None:  # fmt: skip
        one, other = upload(ann), upload(bob)
        alter(Model, one["id"], expires_at=utc_now() - DAY)
        assert [collector.remove(due) for due in collector.due()] == [0]
        assert stored(settings) == [other["sha256"]]

    def test_are_looked_at_again(
        self, model: dict[str, Any], collector: Collector, alter: Alter, ann: httpx.Client
    ) -> None:
        alter(Model, model["id"], expires_at=utc_now() - DAY)
        (due,) = collector.due()
        ann.patch(f"/v1/models/{model['id']}", json={"expires_at": None})
        assert collector.remove(due) == 0
        assert ann.get(f"/v1/models/{model['id']}").is_success


@pytest.fixture
def built(
    analysis: dict[str, Any], succeed: Callable[[str], None], engine: Engine, storage: Storage
) -> str:
    """An analysis that has ended two days ago, with a file; its id."""
    succeed(analysis["id"])
    file = storage.put(b"a built network")
    with Session(engine) as session, session.begin():
        session.add(File(sha256=file.sha256, size=file.size))
        session.flush()
        of = {"analysis_id": analysis["id"], "index": 0, "name": "double.pt2"}
        session.add(Artifact(**of, sha256=file.sha256, size=file.size))
        session.get_one(Analysis, analysis["id"]).finished_at = utc_now() - 2 * DAY
        storage.keep(file)
    return str(analysis["id"])


class TestResults:
    def test_artifacts_go_first(
        self, built: str, ann: httpx.Client, collector: Collector, settings: Settings
    ) -> None:
        settings.keep_artifacts_days, settings.keep_results_days = 1, 3
        path = f"/v1/analyses/{built}"
        ended = datetime.fromisoformat(ann.get(path).json()["finished_at"])
        assert time_of(ann.get(path).json()) == ended + 3 * DAY
        (artifact,) = ann.get(f"{path}/artifacts").json()["items"]
        assert time_of(artifact) == ended + DAY
        (due,) = collector.due()
        assert (due.kind, due.id, due.size) == ("analysis artifacts", built, 15)
        assert collector.remove(due) == 15
        assert ann.get(f"{path}/artifacts").json()["items"] == []
        assert "expired" in ann.get(f"{path}/artifacts/double.pt2").json()["detail"]
        assert ann.get(f"{path}/layers").json()["items"]
        assert len(stored(settings)) == 2  # the uploads

    def test_results_go_whole(
        self, built: str, ann: httpx.Client, collector: Collector, settings: Settings
    ) -> None:
        settings.keep_results_days = 1
        collector.collect()
        problem(ann.get(f"/v1/analyses/{built}"), 404, "not-found")
        assert len(stored(settings)) == 2

    def test_an_analysis_stays_for_its_trials(
        self, built: str, ann: httpx.Client, collector: Collector, settings: Settings
    ) -> None:
        trial = created(ann.post("/v1/trials", json={"analysis_id": built}))["id"]
        settings.keep_results_days = 1
        collector.collect()
        assert ann.get(f"/v1/analyses/{built}").is_success
        ann.post(f"/v1/trials/{trial}/cancel")
        collector.collect()  # the trial has only just ended
        assert ann.get(f"/v1/analyses/{built}").is_success
        ann.delete(f"/v1/trials/{trial}")
        collector.collect()
        problem(ann.get(f"/v1/analyses/{built}"), 404, "not-found")


class TestFiles:
    def test_without_a_record(
        self, collector: Collector, storage: Storage, settings: Settings, model: dict[str, Any]
    ) -> None:
        orphan = storage.put(b"left by a crash")
        storage.keep(orphan)
        assert list(collector.orphans()) == []  # it may be about to get its record
        for path in (settings.data / "files").rglob("*"):
            os.utime(path, (0, 0))
        found = list(collector.orphans())
        assert found == [Due("orphan", orphan.sha256, None, "no record of it", orphan.size)]
        assert [collector.remove(due) for due in found] == [orphan.size]
        assert stored(settings) == [model["sha256"]]

    def test_that_nothing_refers_to(
        self, collector: Collector, storage: Storage, engine: Engine, settings: Settings
    ) -> None:
        file = storage.put(b"a checkpoint that was replaced")
        storage.keep(file)
        with Session(engine) as session, session.begin():
            old = utc_now() - timedelta(minutes=1)
            session.add(File(sha256=file.sha256, size=file.size, created_at=old))
        assert [due.size for due in collector.due()] == [file.size]
        collector.collect()
        assert stored(settings) == []


class TestSameUpload:
    def test_is_there_once(self, ann: httpx.Client, bob: httpx.Client, settings: Settings) -> None:
        first = upload(ann)
        answer = ann.post("/v1/models", files={"file": ("m.pt2", b"a model")})
        assert answer.status_code == 200
        assert answer.headers["content-location"] == f"/v1/models/{first['id']}"
        assert "location" not in answer.headers
        assert answer.json() == first
        assert upload(bob)["id"] != first["id"]
        assert stored(settings) == [first["sha256"]]

    def test_what_must_be_equal(self, ann: httpx.Client, alter: Alter) -> None:
        path, file = "/v1/datasets", {"file": ("d.npz", b"data")}
        scaled, other = ({"transform": json.dumps({"scale": s})} for s in (0.5, 0.25))
        bodies: list[dict[str, str]] = [{}, {"name": "named"}, scaled, other]
        ids = [created(ann.post(path, files=file, data=body))["id"] for body in bodies]
        assert len(set(ids)) == 4
        assert [created(ann.post(path, files=file, data=body))["id"] for body in bodies] == ids
        for identity in ids[:2]:  # both were sent as d.npz
            alter(Dataset, identity, state="rejected")  # a later version may take it
        assert created(ann.post(path, files=file))["id"] not in ids

    def test_begins_its_time_anew(
        self, ann: httpx.Client, alter: Alter, settings: Settings, collector: Collector
    ) -> None:
        settings.keep_uploads_days = 1
        first = upload(ann)
        alter(Model, first["id"], uploaded_at=utc_now() - 2 * DAY)
        assert upload(ann)["expires_at"] > first["expires_at"]
        assert collector.due() == []
        until = "2090-01-31T12:00:00Z"
        assert upload(ann, expires_at=until)["expires_at"] == until
        assert upload(ann)["expires_at"] == until

    def test_heals_a_damaged_file(
        self, ann: httpx.Client, settings: Settings, storage: Storage
    ) -> None:
        first = upload(ann)
        path = storage.fetch(first["sha256"], settings.data)
        path.write_bytes(b"damaged")
        assert upload(ann)["id"] == first["id"]
        assert path.read_bytes() == b"a model"


class TestCommands:
    def test_gc(self, model: dict[str, Any], alter: Alter, settings: Settings) -> None:
        url = {"NARROWS_DATABASE_URL": settings.database_url}
        alter(Model, model["id"], expires_at=utc_now() - DAY)
        listed = run_narrows(settings.data, "gc", "--dry-run", **url)
        assert listed.returncode == 0, listed.stderr
        assert model["id"] in listed.stdout
        assert "1 would be removed, at most 7 B" in listed.stdout
        assert stored(settings) == [model["sha256"]]
        done = json.loads(run_narrows(settings.data, "gc", "--json", **url).stdout)
        assert (done["dry_run"], done["bytes_freed"]) == (False, 7)
        assert [item["id"] for item in done["items"]] == [model["id"]]
        assert stored(settings) == []
        assert run_narrows(settings.data, "gc", **url).stdout == "There is nothing to remove.\n"

    def test_retention(self, settings: Settings, engine: Engine) -> None:
        url = {"NARROWS_DATABASE_URL": settings.database_url, "NARROWS_KEEP_UPLOADS_DAYS": "9"}
        done = run_narrows(settings.data, "retention", "ann", "--results", 30, **url)
        assert "ann 9 days 30 days for ever" in " ".join(done.stdout.split())
        with Session(engine) as session:
            row = session.get_one(Retention, "ann")
        assert (row.uploads, row.results, row.artifacts) == (None, 30, None)
        wrong = run_narrows(settings.data, "retention", "--results", 30, **url)
        assert wrong.returncode == 2
