"""`/v1/trials` over HTTP, with the rows that a worker would leave."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.database.tables import Analysis, File, Model
from service.database.trials import Trial, TrialArtifact, TrialEvent, TrialRun
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import Client, created, problem
from tests.support.jobs import wait_until

Json = dict[str, Any]
PATH = "/v1/trials"
NOT_THERE = "0" * 24
NETWORK = b"a trained network" * 1000
SHA256 = hashlib.sha256(NETWORK).hexdigest()
SUMMARY = {
    "variants": [
        {
            "name": "double", "parameters": 7370, "macs": 285856,
            "loss": {"value": 0.25, "interval": [0.2, 0.3], "count": 3}, "accuracy": None,
            "gain": {"value": 0.01, "interval": None, "count": 1}, "accuracy_gain": None,
            "errors": {"1": "it diverged"},
        }
    ],
    "left_out": {"advise": "no width changes"}, "put_back": [], "remark": "",
}  # fmt: skip
POINT = {
    "step": 9, "epoch": 1.0, "train_loss": 0.5, "loss": 0.4, "accuracy": 0.9, "parameters": 7370,
}  # fmt: skip


@pytest.fixture
def body(model: Json, dataset: Json) -> Json:
    return {"model_id": model["id"], "dataset_id": dataset["id"]}


@pytest.fixture
def trial(ann: httpx.Client, body: Json) -> Json:
    return created(ann.post(PATH, json=body))


@pytest.fixture
def path(trial: Json) -> str:
    return f"{PATH}/{trial['id']}"


@pytest.fixture
def train(engine: Engine, settings: Settings) -> Callable[..., None]:
    """Leave a trial as a worker does that has trained two runs, one of which failed."""

    def finish(identity: str, state: str = "succeeded") -> None:
        storage = Storage(settings.resolved_storage_url)
        stored = storage.put(NETWORK)
        storage.keep(stored)
        of = {"trial_id": identity}
        error = {"type": "urn:narrows:problem:training-failed", "title": "x", "detail": "NaN"}
        with Session(engine) as session, session.begin():
            session.merge(File(sha256=stored.sha256, size=stored.size))
            session.flush()
            session.add(
                TrialRun(
                    **of, index=0, variant="original", seed=0, state="done", step=9, loss=0.4,
                    accuracy=0.9, parameters=7370, macs=9, curve=[POINT], artifact="run-0.pt2",
                )
            )  # fmt: skip
            session.add(
                TrialRun(**of, index=1, variant="double", seed=0, state="failed", error=error)
            )
            row = {"name": "run-0.pt2", "sha256": stored.sha256, "size": stored.size}
            session.add(TrialArtifact(**of, index=0, **row))
            row_of_trial = session.get_one(Trial, identity)
            row_of_trial.state, row_of_trial.runs, row_of_trial.steps = state, 2, 9
            row_of_trial.summary = SUMMARY if state == "succeeded" else None
            session.add(TrialEvent(**of, kind="state", data={"state": state}))

    return finish


class TestCreate:
    def test_anonymous(self, anonymous: httpx.Client, body: Json) -> None:
        problem(anonymous.post(PATH, json=body), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, body: Json, analysis: Json) -> None:
        problem(bob.post(PATH, json=body), 404, "not-found")
        problem(bob.post(PATH, json={"analysis_id": analysis["id"]}), 404, "not-found")

    def test_reading_key(self, client_of: Client, body: Json) -> None:
        problem(client_of("ann", ("read",)).post(PATH, json=body), 403, "forbidden")

    def test_defaults(self, ann: httpx.Client, body: Json, waiting: Callable[[str], int]) -> None:
        answer = ann.post(PATH, json=body)
        made = created(answer)
        assert answer.status_code == 202
        assert answer.headers["retry-after"] == "1"
        assert made["state"] == "queued"
        assert made["progress"] == {
            "stage": "analysis", "done": 0, "total": 0, "steps_done": 0, "steps_total": 0,
            "seconds_left": None,
        }  # fmt: skip
        asked = made["request"]
        assert (asked["plans"], asked["loss"]) == (["double", "advise"], "cross_entropy")
        assert (asked["seeds"], asked["recipe"]["epochs"]) == ([0, 1, 2], None)
        assert ann.get(answer.headers["location"]).json() == made
        wait_until(lambda: waiting("analyze") == 2)  # the plan of its analysis, and its own
        analysis = ann.get(f"/v1/analyses/{made['analysis_id']}").json()
        assert analysis["request"]["plans"] == ["double", "advise"]
        assert {name: analysis[name] for name in body} == body

    def test_its_own_analysis_has_its_transform(self, ann: httpx.Client, body: Json) -> None:
        made = created(ann.post(PATH, json=body | {"transform": {"crop": 8}}))
        analysis = ann.get(f"/v1/analyses/{made['analysis_id']}").json()
        assert analysis["request"]["transform"] == made["request"]["transform"] == {"crop": 8}

    def test_of_an_analysis(self, ann: httpx.Client, body: Json) -> None:
        mine = {"name": "mine", "factors": {"a": 2.0}}
        asked = body | {"plans": ["uniform", mine], "loss": "nll", "transform": {"crop": 8}}
        analysis = created(ann.post("/v1/analyses", json=asked))
        made = created(ann.post(PATH, json={"analysis_id": analysis["id"]}))
        assert {name: made[name] for name in body} == body
        assert made["analysis_id"] == analysis["id"]
        assert made["request"]["transform"] == {"crop": 8}
        assert (made["request"]["plans"], made["request"]["loss"]) == (["uniform", mine], "nll")
        one = {"analysis_id": analysis["id"], "plans": ["mine"]}
        assert created(ann.post(PATH, json=one))["request"]["plans"] == [mine]
        assert len(ann.get("/v1/analyses").json()["items"]) == 1

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"recipe": {"epochs": 0}}, "/recipe/epochs"),
            ({"recipe": {"learning_rate": -1}}, "/recipe/learning_rate"),
            ({"recipe": {"learning_rate": "0.1"}}, "/recipe/learning_rate"),
            ({"recipe": {"optimizer": "adam"}}, "/recipe/optimizer"),
            ({"recipe": {"optimizer": "adamw", "momentum": 0.9}}, "/recipe/momentum"),
            ({"recipe": {"epochs": 3, "steps": 3}}, "/recipe/steps"),
            ({"recipe": {"batch_size": 0}}, "/recipe/batch_size"),
            ({"recipe": {"flip": 1}}, "/recipe/flip"),
            ({"recipe": {"label_smoothing": 0.1}, "loss": "mse"}, "/recipe/label_smoothing"),
            ({"recipe": {"dropout": 0.1}}, "/recipe/dropout"),
            ({"recipe": []}, "/recipe"),
            ({"fine_tune": {"share": 1.0}}, "/fine_tune/share"),
            ({"seeds": []}, "/seeds"),
            ({"seeds": [0, 0]}, "/seeds"),
            ({"seeds": [-1]}, "/seeds/0"),
            ({"seeds": list(range(33))}, "/seeds"),
            ({"variants": ["shrink"]}, "/variants/0"),
            ({"variants": []}, "/variants"),
            ({"inits": ["fresh"]}, "/inits"),
            ({"holdout": 1.0}, "/holdout"),
            ({"loss": "hinge"}, "/loss"),
            ({"plans": ["mine"]}, "/plans/0"),
            ({"plans": ["double", {"name": "x", "factors": {"a": 17}}]}, "/plans/1/factors/a"),
            ({"plans": [{"name": "double", "factors": {"a": 2}}]}, "/plans/0/name"),
            ({"plans": []}, "/plans"),
            ({"plans": ["double"], "advise": {"budget": 0.1}}, "/advise"),
            ({"threads": 0}, "/threads"),
            ({"time_limit_seconds": 0}, "/time_limit_seconds"),
            ({"max_samples": 1}, "/max_samples"),
            ({"model_id": None}, "/model_id"),
            ({"dataset_id": None}, "/dataset_id"),
            ({"other": 1}, "/other"),
        ],
    )
    def test_invalid(self, ann: httpx.Client, body: Json, change: Json, pointer: str) -> None:
        answer = problem(ann.post(PATH, json=body | change), 422, "invalid")
        assert [error["pointer"] for error in answer["errors"]] == [pointer]
        assert ann.get("/v1/analyses").json()["items"] == []

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"model_id": "mdl_1"}, "/model_id"),
            ({"advise": {"budget": 0.1}}, "/advise"),
            ({"transform": {"crop": 8}}, "/transform"),
            ({"plans": ["advise"]}, "/plans/0"),
            ({"plans": [{"name": "mine", "factors": {"a": 2}}]}, "/plans/0"),
        ],
    )
    def test_invalid_beside_an_analysis(
        self, ann: httpx.Client, analysis: Json, change: Json, pointer: str
    ) -> None:
        asked = {"analysis_id": analysis["id"]} | change
        answer = problem(ann.post(PATH, json=asked), 422, "invalid")
        assert [error["pointer"] for error in answer["errors"]] == [pointer]

    def test_unknown(self, ann: httpx.Client, body: Json) -> None:
        for field in body:
            asked = body | {field: f"mdl_{NOT_THERE}"}
            problem(ann.post(PATH, json=asked), 404, "not-found")
        problem(ann.post(PATH, json={"analysis_id": f"ana_{NOT_THERE}"}), 404, "not-found")

    def test_rejected(self, ann: httpx.Client, body: Json, alter: Callable[..., None]) -> None:
        alter(Model, body["model_id"], state="rejected", error={"detail": "no zip"})
        assert "no zip" in problem(ann.post(PATH, json=body), 409, "upload-rejected")["detail"]

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_an_analysis_without_plans(
        self, ann: httpx.Client, analysis: Json, alter: Callable[..., None], state: str
    ) -> None:
        alter(Analysis, analysis["id"], state=state)
        answer = problem(ann.post(PATH, json={"analysis_id": analysis["id"]}), 409, "no-result")
        assert answer["state"] == state

    def test_a_layer_that_the_model_lacks(
        self, ann: httpx.Client, body: Json, alter: Callable[..., None]
    ) -> None:
        alter(Model, body["model_id"], state="ready", inspection={"layers": [{"name": "a"}]})
        asked = body | {"plans": [{"name": "mine", "factors": {"b": 2}}]}
        answer = problem(ann.post(PATH, json=asked), 422, "invalid")
        assert answer["errors"][0]["pointer"] == "/plans/0/factors/b"

    def test_a_program_that_returns_its_loss(self, ann: httpx.Client, body: Json) -> None:
        made = created(ann.post(PATH, json=body | {"loss": "model"}))
        assert made["request"]["plans"] == ["double"]
        asked = body | {"loss": "model", "plans": ["advise"]}
        answer = problem(ann.post(PATH, json=asked), 422, "invalid")
        assert answer["errors"][0]["pointer"] == "/plans/0"

    def test_once(self, ann: httpx.Client, bob: httpx.Client, body: Json) -> None:
        headers = {"Idempotency-Key": "k" * 255}
        first, again = (ann.post(PATH, json=body, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert len(ann.get("/v1/analyses").json()["items"]) == 1
        answer = ann.post(PATH, json=body | {"seeds": [5]}, headers=headers)
        problem(answer, 422, "idempotency-key-reused")
        problem(bob.post(PATH, json=body, headers=headers), 404, "not-found")

    def test_once_at_once(self, ann: httpx.Client, body: Json) -> None:
        def post() -> None:
            answer = ann.post(PATH, json=body, headers={"Idempotency-Key": "k"})
            made.add(created(answer)["id"])

        made: set[str] = set()
        threads = [threading.Thread(target=post) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1
        assert len(ann.get("/v1/analyses").json()["items"]) == 1


class TestGet:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.get(path), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        problem(bob.get(path), 404, "not-found")

    def test_unknown(self, ann: httpx.Client, analysis: Json) -> None:
        problem(ann.get(f"{PATH}/trl_{NOT_THERE}"), 404, "not-found")
        problem(ann.get(f"{PATH}/{analysis['id']}"), 404, "not-found")

    def test_waits_for_its_analysis(
        self, ann: httpx.Client, trial: Json, path: str, alter: Callable[..., None]
    ) -> None:
        tag = ann.get(path).headers["etag"]
        alter(Analysis, trial["analysis_id"], state="succeeded")
        answer = ann.get(path, headers={"If-None-Match": tag, "Prefer": "wait=20"})
        assert answer.json()["progress"]["stage"] == "queued"

    def test_progress(
        self, ann: httpx.Client, trial: Json, path: str, engine: Engine, alter: Callable[..., None]
    ) -> None:
        started = datetime.now(UTC) - timedelta(seconds=60)
        running = {"state": "running", "runs": 5, "remaining": 2, "steps": 10}
        alter(Trial, trial["id"], started_at=started, **running)
        states = [("done", 10), ("leased", 4), ("queued", 0), ("failed", 2), ("cancelled", 3)]
        with Session(engine) as session, session.begin():
            session.add_all(
                TrialRun(trial_id=trial["id"], index=i, variant="a", seed=i, state=state, step=step)
                for i, (state, step) in enumerate(states)
            )
        progress = ann.get(path).json()["progress"]
        left = progress.pop("seconds_left")
        assert progress == {
            "stage": "train", "done": 3, "total": 5, "steps_done": 27, "steps_total": 50,
        }  # fmt: skip
        assert left == pytest.approx(60 / 27 * 23, rel=0.2)

    def test_result(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        train(trial["id"])
        answer = ann.get(path, headers={"Prefer": "wait=20"}).json()
        assert (answer["state"], answer["summary"]) == ("succeeded", SUMMARY)
        assert answer["progress"]["steps_done"] == answer["progress"]["steps_total"] == 18


class TestList:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.get(PATH), 401, "unauthorized")

    @pytest.mark.usefixtures("trial")
    def test_wrong_owner(self, bob: httpx.Client) -> None:
        assert bob.get(PATH).json() == {"items": [], "next_page_token": None}

    def test_pages(self, ann: httpx.Client, body: Json) -> None:
        made = [created(ann.post(PATH, json=body)) for _ in range(3)]
        first = ann.get(PATH, params={"page_size": 2}).json()
        second = ann.get(PATH, params={"page_token": first["next_page_token"]}).json()
        assert first["items"] + second["items"] == made[::-1]
        assert second["next_page_token"] is None

    def test_state(self, ann: httpx.Client, trial: Json) -> None:
        assert ann.get(PATH, params={"state": "queued"}).json()["items"] == [trial]
        assert ann.get(PATH, params={"state": "failed"}).json()["items"] == []
        problem(ann.get(PATH, params={"state": "lost"}), 422, "invalid")


class TestCancel:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.post(f"{path}/cancel"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        problem(bob.post(f"{path}/cancel"), 404, "not-found")

    def test_with_the_analysis_that_it_made(
        self, ann: httpx.Client, trial: Json, path: str
    ) -> None:
        answer = ann.post(f"{path}/cancel").json()
        assert (answer["state"], answer["cancel_requested"]) == ("cancelled", True)
        assert ann.get(f"/v1/analyses/{trial['analysis_id']}").json()["state"] == "cancelled"
        assert ann.post(f"{path}/cancel").json() == answer

    def test_without_the_analysis_of_others(self, ann: httpx.Client, analysis: Json) -> None:
        made = created(ann.post(PATH, json={"analysis_id": analysis["id"]}))
        assert ann.post(f"{PATH}/{made['id']}/cancel").json()["state"] == "cancelled"
        assert ann.get(f"/v1/analyses/{analysis['id']}").json()["state"] == "queued"

    def test_running(
        self, ann: httpx.Client, trial: Json, path: str, alter: Callable[..., None]
    ) -> None:
        alter(Trial, trial["id"], state="running")
        answer = ann.post(f"{path}/cancel").json()
        assert (answer["state"], answer["cancel_requested"]) == ("running", True)

    def test_ended(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        train(trial["id"])
        answer = ann.post(f"{path}/cancel").json()
        assert (answer["state"], answer["cancel_requested"]) == ("succeeded", False)


class TestDelete:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.delete(path), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        problem(bob.delete(path), 404, "not-found")

    def test_under_way(self, ann: httpx.Client, path: str) -> None:
        problem(ann.delete(path), 409, "in-use")

    def test_with_its_files(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None], engine: Engine
    ) -> None:
        train(trial["id"])
        assert ann.delete(path).status_code == 204
        problem(ann.get(path), 404, "not-found")
        with Session(engine) as session:
            for table in (TrialRun, TrialArtifact, TrialEvent):
                assert session.scalar(select(func.count()).select_from(table)) == 0
            assert session.get(File, SHA256) is None

    def test_its_analysis_stays_until_then(
        self, ann: httpx.Client, trial: Json, path: str, alter: Callable[..., None]
    ) -> None:
        analysis = f"/v1/analyses/{trial['analysis_id']}"
        alter(Analysis, trial["analysis_id"], state="succeeded")
        answer = problem(ann.delete(analysis), 409, "in-use")
        assert answer["trials"] == [trial["id"]]
        alter(Trial, trial["id"], state="failed")
        assert ann.delete(path).status_code == 204
        assert ann.delete(analysis).status_code == 204


class TestRuns:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.get(f"{path}/runs"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        problem(bob.get(f"{path}/runs"), 404, "not-found")

    def test_pages(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        assert ann.get(f"{path}/runs").json()["items"] == []
        train(trial["id"], "running")
        whole = ann.get(f"{path}/runs").json()["items"]
        first = ann.get(f"{path}/runs", params={"page_size": 1}).json()
        rest = ann.get(f"{path}/runs", params={"page_token": first["next_page_token"]}).json()
        assert first["items"] + rest["items"] == whole
        done, failed = whole
        assert (done["curve"], done["loss"], done["artifact"]) == ([POINT], 0.4, "run-0.pt2")
        assert (failed["state"], failed["error"]["detail"]) == ("failed", "NaN")


class TestArtifacts:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.get(f"{path}/artifacts"), 401, "unauthorized")
        problem(anonymous.get(f"{path}/artifacts/run-0.pt2"), 401, "unauthorized")

    def test_wrong_owner(
        self, bob: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        train(trial["id"])
        problem(bob.get(f"{path}/artifacts"), 404, "not-found")
        problem(bob.get(f"{path}/artifacts/run-0.pt2"), 404, "not-found")

    def test_not_yet(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        train(trial["id"], "running")
        problem(ann.get(f"{path}/artifacts"), 409, "no-result")
        problem(ann.get(f"{path}/artifacts/run-0.pt2"), 409, "no-result")

    def test_bytes(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        train(trial["id"])
        (item,) = ann.get(f"{path}/artifacts").json()["items"]
        assert item == {
            "name": "run-0.pt2", "size": len(NETWORK), "sha256": SHA256, "expires_at": None,
            "url": f"{path}/artifacts/run-0.pt2",
        }  # fmt: skip
        assert ann.get(item["url"]).content == NETWORK
        part = ann.get(item["url"], headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, NETWORK[2:5])
        answer = problem(ann.get(f"{path}/artifacts/run-1.pt2"), 404, "not-found")
        assert "run-0.pt2" in answer["detail"]


class TestEvents:
    def test_anonymous(self, anonymous: httpx.Client, path: str) -> None:
        problem(anonymous.get(f"{path}/events"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, path: str) -> None:
        problem(bob.get(f"{path}/events"), 404, "not-found")

    def test_to_the_end(
        self, ann: httpx.Client, trial: Json, path: str, train: Callable[..., None]
    ) -> None:
        timer = threading.Timer(0.5, train, [trial["id"]])
        timer.start()
        answer = ann.get(f"{path}/events")
        timer.join()
        lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
        states = [json.loads(line.removeprefix("data: "))["state"] for line in lines]
        assert states == ["queued", "succeeded"]
