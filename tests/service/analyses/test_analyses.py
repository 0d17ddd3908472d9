import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.database.tables import Analysis, Dataset, Event, Layer, Model
from tests.support.answers import Client, created, problem
from tests.support.jobs import wait_until

Json = dict[str, Any]
PATH = "/v1/analyses"
NOT_THERE = "0" * 24


@pytest.fixture
def body(model: Json, dataset: Json) -> Json:
    return {"model_id": model["id"], "dataset_id": dataset["id"]}


class TestCreate:
    def test_anonymous(self, anonymous: httpx.Client, body: Json) -> None:
        problem(anonymous.post(PATH, json=body), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, body: Json) -> None:
        problem(bob.post(PATH, json=body), 404, "not-found")

    def test_reading_key(self, client_of: Client, body: Json) -> None:
        problem(client_of("ann", ("read",)).post(PATH, json=body), 403, "forbidden")

    @pytest.mark.parametrize(
        "media_type", [None, "text/plain", "application/x-www-form-urlencoded"]
    )
    def test_another_media_type(
        self, ann: httpx.Client, anonymous: httpx.Client, body: Json, media_type: str | None
    ) -> None:
        headers = {"Content-Type": media_type} if media_type else {}
        answer = ann.post(PATH, content=json.dumps(body), headers=headers)
        detail = problem(answer, 415, "not-json")["detail"]
        assert "Content-Type: application/json" in detail
        assert (media_type or "no media type") in detail
        problem(anonymous.post(PATH, content="{}", headers=headers), 401, "unauthorized")

    def test_defaults(self, ann: httpx.Client, body: Json, waiting: Callable[[str], int]) -> None:
        answer = ann.post(PATH, json=body)
        made = created(answer)
        assert answer.status_code == 202
        assert answer.headers["retry-after"] == "1"
        assert made["state"] == "queued"
        assert made["progress"] == {
            "stage": "queued", "done": 0, "total": 0, "seconds_left": None,
        }  # fmt: skip
        assert made["request"] == body | {
            "method": "sosp_i", "rule": "worth", "gate": "channel", "loss": "cross_entropy",
            "pruning_ratio": 0.5, "curvature": None, "blocks": None, "transform": None,
            "max_samples": 4096, "batch_size": 64, "seed": 0, "exclude": [],
            "cost": "structures", "plans": ["double", "uniform", "reallocate"], "advise": None,
            "build": [], "init": "preserve", "time_limit_seconds": None, "memory_bytes": None,
        }  # fmt: skip
        wait_until(lambda: waiting("analyze") == 1)
        assert ann.get(answer.headers["location"]).json() == made

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"pruning_ratio": 0}, "/pruning_ratio"),
            ({"pruning_ratio": 1}, "/pruning_ratio"),
            ({"pruning_ratio": "0.5"}, "/pruning_ratio"),
            ({"max_samples": 0}, "/max_samples"),
            ({"transform": {"crop": 0}}, "/transform/crop"),
            ({"transform": {"resize": [1, 2, 3]}}, "/transform/resize"),
            ({"transform": {"mode": "rgb"}}, "/transform/mode"),
            ({"max_samples": True}, "/max_samples"),
            ({"batch_size": 4097}, "/batch_size"),
            ({"seed": -1}, "/seed"),
            ({"loss": "hinge"}, "/loss"),
            ({"method": "magic"}, "/method"),
            ({"exclude": [""]}, "/exclude/0"),
            ({"exclude": ["a\0"]}, "/exclude/0"),
            ({"cost": "seconds"}, "/cost"),
            ({"init": "random"}, "/init"),
            ({"plans": ["treble"]}, "/plans/0"),
            ({"plans": [3]}, "/plans/0"),
            ({"plans": [{"name": "Mine", "factors": {"a": 2}}]}, "/plans/0/name"),
            ({"plans": [{"name": "a" * 61, "factors": {"a": 2}}]}, "/plans/0/name"),
            ({"plans": [{"name": "mine", "factors": {}}]}, "/plans/0/factors"),
            ({"plans": ["double", {"name": "x", "factors": {"a/b": 17}}]}, "/plans/1/factors/a~1b"),
            ({"plans": [{"name": "x", "factors": {"a": 0}}]}, "/plans/0/factors/a"),
            ({"plans": [{"name": "x", "factors": {"a": "2"}}]}, "/plans/0/factors/a"),
            ({"plans": ["advise"], "advise": {"budget": 0.0}}, "/advise/budget"),
            ({"plans": ["advise"], "advise": {"cost": "structures"}}, "/advise/cost"),
            ({"plans": ["advise"], "advise": {"multiple": 0}}, "/advise/multiple"),
            ({"build": ["../x"]}, "/build/0"),
            ({"other": 1}, "/other"),
            ({"model_id": None}, "/model_id"),
            ({"model_id": "\0"}, "/model_id"),
        ],
    )
    def test_invalid(self, ann: httpx.Client, body: Json, change: Json, pointer: str) -> None:
        answer = problem(ann.post(PATH, json=body | change), 422, "invalid")
        assert [error["pointer"] for error in answer["errors"]] == [pointer]

    @pytest.mark.parametrize(
        ("content", "status"),
        [("", 422), ("{", 422), ("[]", 422), ("[" * 100_000, 400), ("9" * 5000, 400)],
    )
    def test_no_such_json(self, ann: httpx.Client, content: str, status: int) -> None:
        headers = {"content-type": "application/json"}
        answer = ann.post(PATH, content=content, headers=headers)
        assert problem(answer, status, answer.json()["type"].rpartition(":")[2])

    @pytest.mark.parametrize("framing", ["length", "chunks"])
    def test_long_body(self, ann: httpx.Client, framing: str) -> None:
        text = b'"' + b"a" * (2 << 20) + b'"'
        content = text if framing == "length" else iter([text])
        headers = {"content-type": "application/json"}
        problem(ann.post(PATH, content=content, headers=headers), 413, "too-large")

    @pytest.mark.parametrize("field", ["model_id", "dataset_id"])
    def test_unknown(self, ann: httpx.Client, body: Json, field: str) -> None:
        problem(ann.post(PATH, json=body | {field: "mdl_" + NOT_THERE}), 404, "not-found")

    @pytest.mark.parametrize(("table", "field"), [(Model, "model_id"), (Dataset, "dataset_id")])
    def test_rejected(
        self,
        ann: httpx.Client,
        body: Json,
        alter: Callable[..., None],
        table: type[Model | Dataset],
        field: str,
    ) -> None:
        error = {"type": "urn:narrows:problem:not-a-zip", "title": "x", "detail": "no zip"}
        alter(table, body[field], state="rejected", error=error)
        answer = problem(ann.post(PATH, json=body), 409, "upload-rejected")
        assert "no zip" in answer["detail"]
        assert answer["error"] == error

    def test_exclude(self, ann: httpx.Client, body: Json, alter: Callable[..., None]) -> None:
        alter(Model, body["model_id"], state="ready", inspection={"layers": [{"name": "a"}]})
        created(ann.post(PATH, json=body | {"exclude": ["a"]}))
        answer = problem(ann.post(PATH, json=body | {"exclude": ["a", "b"]}), 422, "invalid")
        assert answer["errors"][0]["pointer"] == "/exclude/1"


class TestIdempotencyKey:
    def test_same_request(
        self, ann: httpx.Client, body: Json, waiting: Callable[[str], int]
    ) -> None:
        headers = {"Idempotency-Key": "k"}
        first, again = (ann.post(PATH, json=body, headers=headers) for _ in range(2))
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert first.headers["location"] == again.headers["location"]
        created(ann.post("/v1/models", files={"file": b"x"}))
        wait_until(lambda: waiting("inspect") == 3)  # messages go out in order: this is the last
        assert waiting("analyze") == 1

    def test_other_request(self, ann: httpx.Client, body: Json) -> None:
        headers = {"Idempotency-Key": "k"}
        created(ann.post(PATH, json=body, headers=headers))
        answer = ann.post(PATH, json=body | {"seed": 1}, headers=headers)
        problem(answer, 422, "idempotency-key-reused")

    def test_other_owner(self, ann: httpx.Client, bob: httpx.Client, body: Json) -> None:
        headers = {"Idempotency-Key": "k"}
        created(ann.post(PATH, json=body, headers=headers))
        problem(bob.post(PATH, json=body, headers=headers), 404, "not-found")

    def test_at_once(self, ann: httpx.Client, body: Json) -> None:
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

    @pytest.mark.parametrize("key", ["", "a b", "a" * 256])
    def test_bad(self, ann: httpx.Client, body: Json, key: str) -> None:
        answer = ann.post(PATH, json=body, headers={"Idempotency-Key": key})
        error = problem(answer, 422, "invalid")["errors"][0]
        assert error["in"] == "header"


class TestGet:
    def test_anonymous(self, anonymous: httpx.Client, analysis: Json) -> None:
        problem(anonymous.get(f"{PATH}/{analysis['id']}"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, analysis: Json) -> None:
        problem(bob.get(f"{PATH}/{analysis['id']}"), 404, "not-found")

    def test_unknown(self, ann: httpx.Client) -> None:
        problem(ann.get(f"{PATH}/ana_{NOT_THERE}"), 404, "not-found")
        problem(ann.get(f"{PATH}/%00"), 404, "not-found")

    def test_progress(self, ann: httpx.Client, analysis: Json, alter: Callable[..., None]) -> None:
        started = datetime.now(UTC) - timedelta(seconds=60)
        alter(Analysis, analysis["id"], state="running", shards=8, remaining=2, started_at=started)
        progress = ann.get(f"{PATH}/{analysis['id']}").json()["progress"]
        left = progress.pop("seconds_left")
        assert progress == {"stage": "shards", "done": 6, "total": 8}
        assert left >= 20

    def test_failed(self, ann: httpx.Client, analysis: Json, alter: Callable[..., None]) -> None:
        slug = "urn:narrows:problem:out-of-memory"
        error = {"type": slug, "title": "Out of memory", "detail": "It had 4 GB.", "status": 422}
        alter(Analysis, analysis["id"], state="failed", error=error)
        answer = ann.get(f"{PATH}/{analysis['id']}")
        assert answer.status_code == 200
        assert (answer.json()["state"], answer.json()["error"]) == ("failed", error)

    def test_entity_tag(
        self, ann: httpx.Client, analysis: Json, alter: Callable[..., None]
    ) -> None:
        path = f"{PATH}/{analysis['id']}"
        tag = ann.get(path).headers["etag"]
        for given in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            answer = ann.get(path, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
        alter(Analysis, analysis["id"], state="planning")
        answer = ann.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert answer.headers["etag"] != tag

    def test_wait_for_the_end(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None]
    ) -> None:
        timer = threading.Timer(0.5, succeed, [analysis["id"]])
        timer.start()
        answer = ann.get(f"{PATH}/{analysis['id']}", headers={"Prefer": "wait=25"})
        timer.join()
        assert answer.json()["state"] == "succeeded"
        assert answer.headers["preference-applied"] == "wait=25"

    def test_wait_for_a_change(
        self, ann: httpx.Client, analysis: Json, alter: Callable[..., None]
    ) -> None:
        path = f"{PATH}/{analysis['id']}"
        timer = threading.Timer(0.5, alter, [Analysis, analysis["id"]], {"state": "planning"})
        headers = {
            "Prefer": "respond-async, wait=25",
            "If-None-Match": ann.get(path).headers["etag"],
        }
        timer.start()
        answer = ann.get(path, headers=headers)
        timer.join()
        assert answer.json()["state"] == "planning"

    def test_wait_in_vain(self, ann: httpx.Client, analysis: Json) -> None:
        answer = ann.get(f"{PATH}/{analysis['id']}", headers={"Prefer": "wait=1"})
        assert answer.json()["state"] == "queued"

    def test_many_wait_without_a_thread_each(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None]
    ) -> None:
        def get() -> None:
            # Did each have one of the 40 threads, the list below would come once a wait is over.
            headers = {"Prefer": "wait=60"}
            answer = ann.get(f"{PATH}/{analysis['id']}", headers=headers, timeout=None)
            states.append(answer.json()["state"])

        states: list[str] = []
        threads = [threading.Thread(target=get) for _ in range(45)]
        for thread in threads:
            thread.start()
        assert ann.get("/v1/models", timeout=None).status_code == 200
        succeed(analysis["id"])
        for thread in threads:
            thread.join()
        assert states == ["succeeded"] * 45


class TestList:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.get(PATH), 401, "unauthorized")

    @pytest.mark.usefixtures("analysis")
    def test_wrong_owner(self, bob: httpx.Client) -> None:
        assert bob.get(PATH).json() == {"items": [], "next_page_token": None}

    def test_pages(self, ann: httpx.Client, body: Json) -> None:
        made = [created(ann.post(PATH, json=body)) for _ in range(3)]
        first = ann.get(PATH, params={"page_size": 2}).json()
        second = ann.get(PATH, params={"page_token": first["next_page_token"]}).json()
        assert first["items"] + second["items"] == made[::-1]
        assert second["next_page_token"] is None

    def test_state(self, ann: httpx.Client, analysis: Json) -> None:
        assert ann.get(PATH, params={"state": "queued"}).json()["items"] == [analysis]
        assert ann.get(PATH, params={"state": "failed"}).json()["items"] == []


class TestCancel:
    def test_anonymous(self, anonymous: httpx.Client, analysis: Json) -> None:
        problem(anonymous.post(f"{PATH}/{analysis['id']}/cancel"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, analysis: Json) -> None:
        problem(bob.post(f"{PATH}/{analysis['id']}/cancel"), 404, "not-found")

    def test_queued(self, ann: httpx.Client, analysis: Json) -> None:
        answer = ann.post(f"{PATH}/{analysis['id']}/cancel")
        assert answer.status_code == 200
        assert answer.json()["state"] == "cancelled"
        assert answer.json()["cancel_requested"]
        assert answer.json()["finished_at"]
        assert ann.post(f"{PATH}/{analysis['id']}/cancel").json() == answer.json()

    def test_running(self, ann: httpx.Client, analysis: Json, alter: Callable[..., None]) -> None:
        alter(Analysis, analysis["id"], state="running")
        answer = ann.post(f"{PATH}/{analysis['id']}/cancel").json()
        assert (answer["state"], answer["cancel_requested"]) == ("running", True)

    def test_ended(self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None]) -> None:
        succeed(analysis["id"])
        answer = ann.post(f"{PATH}/{analysis['id']}/cancel").json()
        assert (answer["state"], answer["cancel_requested"]) == ("succeeded", False)


class TestDelete:
    def test_anonymous(self, anonymous: httpx.Client, analysis: Json) -> None:
        problem(anonymous.delete(f"{PATH}/{analysis['id']}"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, analysis: Json) -> None:
        problem(bob.delete(f"{PATH}/{analysis['id']}"), 404, "not-found")

    def test_under_way(self, ann: httpx.Client, analysis: Json) -> None:
        problem(ann.delete(f"{PATH}/{analysis['id']}"), 409, "in-use")

    def test_with_results(
        self,
        ann: httpx.Client,
        analysis: Json,
        succeed: Callable[[str], None],
        engine: Engine,
    ) -> None:
        succeed(analysis["id"])
        assert ann.delete(f"{PATH}/{analysis['id']}").status_code == 204
        problem(ann.get(f"{PATH}/{analysis['id']}"), 404, "not-found")
        with Session(engine) as session:
            for table in (Layer, Event):
                assert session.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize("what", ["layers", "structures", "plans"])
class TestResults:
    def test_anonymous(self, anonymous: httpx.Client, analysis: Json, what: str) -> None:
        problem(anonymous.get(f"{PATH}/{analysis['id']}/{what}"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, analysis: Json, what: str) -> None:
        problem(bob.get(f"{PATH}/{analysis['id']}/{what}"), 404, "not-found")

    def test_not_yet(self, ann: httpx.Client, analysis: Json, what: str) -> None:
        answer = problem(ann.get(f"{PATH}/{analysis['id']}/{what}"), 409, "no-result")
        assert answer["state"] == "queued"

    def test_pages(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None], what: str
    ) -> None:
        succeed(analysis["id"])
        path = f"{PATH}/{analysis['id']}/{what}"
        everything = ann.get(path).json()
        assert everything["next_page_token"] is None
        items, token = [], None
        while True:
            page = ann.get(path, params={"page_size": 1} | ({"page_token": token} if token else {}))
            items += page.json()["items"]
            token = page.json()["next_page_token"]
            if token is None:
                break
        assert items == everything["items"]
        assert len(items) == {"layers": 3, "structures": 5, "plans": 1}[what]

    def test_names(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None], what: str
    ) -> None:
        succeed(analysis["id"])
        names = {
            "layers": "name op group width parameters macs pruning_ratio interval p_value score "
            "score_interval worth worth_interval worth_ratio promise promise_interval widen_rank "
            "expected_gain verdict because samples_needed reason sweep sweep_intervals "
            "inputs joins",
            "structures": "group channel saliency first_order second_order rank worth members",
            "plans": "name layers parameters macs artifact evaluation error incomplete",
        }
        item = ann.get(f"{PATH}/{analysis['id']}/{what}").json()["items"][0]
        assert list(item) == names[what].split()

    def test_bad_token(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None], what: str
    ) -> None:
        succeed(analysis["id"])
        for token in ("x", "Ii0xIg", "LTE", "W10", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
            answer = ann.get(f"{PATH}/{analysis['id']}/{what}", params={"page_token": token})
            problem(answer, 422, "invalid")


class TestEvents:
    def test_anonymous(self, anonymous: httpx.Client, analysis: Json) -> None:
        problem(anonymous.get(f"{PATH}/{analysis['id']}/events"), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, analysis: Json) -> None:
        problem(bob.get(f"{PATH}/{analysis['id']}/events"), 404, "not-found")

    def test_to_the_end(
        self, ann: httpx.Client, analysis: Json, succeed: Callable[[str], None]
    ) -> None:
        timer = threading.Timer(0.5, succeed, [analysis["id"]])
        timer.start()
        answer = ann.get(f"{PATH}/{analysis['id']}/events")
        timer.join()
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [dict(line.split(": ", 1) for line in block.splitlines())
                  for block in answer.text.strip().split("\n\n")]  # fmt: skip
        assert [event["event"] for event in events] == ["created", "state"]
        assert [json.loads(event["data"])["state"] for event in events] == ["queued", "succeeded"]
        again = ann.get(
            f"{PATH}/{analysis['id']}/events", headers={"Last-Event-ID": events[0]["id"]}
        )
        assert again.text.startswith("event: state")
        assert "created" not in again.text

    def test_bad_last_event_id(self, ann: httpx.Client, analysis: Json) -> None:
        for bad in ("x", "-1", "9" * 30):
            headers = {"Last-Event-ID": bad}
            answer = ann.get(f"{PATH}/{analysis['id']}/events", headers=headers)
            problem(answer, 422, "invalid")
