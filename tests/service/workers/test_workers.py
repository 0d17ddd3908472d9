"""`GET /v1/workers`: who is there, and what each is busy with, to whom it belongs."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.clock import epoch_now
from service.database.tables import Analysis, Dataset, Model, Shard, Worker
from service.database.trials import TrialRun
from tests.support.answers import Client, problem

PATH = "/v1/workers"

Json = dict[str, Any]
Add = Callable[..., None]


@pytest.fixture
def add(engine: Engine) -> Add:
    """Let a worker be seen, and silent from `seconds` from now on."""

    def insert(name: str, seconds: float = 60.0) -> None:
        with Session(engine) as session, session.begin():
            session.add(
                Worker(
                    name=name, host="host", queues=["analyze"], device="cpu", version="1",
                    torch_version="2", seen_at=epoch_now(), alive_until=epoch_now() + seconds,
                )
            )  # fmt: skip

    return insert


class TestList:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.get(PATH), 401, "unauthorized")

    def test_without_the_scope(self, client_of: Client) -> None:
        problem(client_of("ann", ("write",)).get(PATH), 403, "forbidden")

    @pytest.mark.parametrize(
        ("table", "state", "task"),
        [
            (Model, "inspecting", "inspect_model"),
            (Dataset, "inspecting", "inspect_dataset"),
            (Analysis, "planning", "plan"),
            (Analysis, "reducing", "reduce"),
        ],
    )
    def test_what_is_in_hand_is_named_to_its_owner_only(
        self,
        ann: httpx.Client,
        bob: httpx.Client,
        analysis: Json,
        add: Add,
        alter: Callable[..., None],
        table: Any,
        state: str,
        task: str,
    ) -> None:
        add("w:1")
        key = {Model: "model_id", Dataset: "dataset_id", Analysis: "id"}[table]
        alter(table, analysis[key], state=state, leased_by="w:1")
        (mine,) = ann.get(PATH).json()["items"]
        assert (mine["state"], mine["device"], mine["queues"]) == ("busy", "cpu", ["analyze"])
        assert mine["work"] == {"task": task, "job": analysis[key], "shard": None}
        (theirs,) = bob.get(PATH).json()["items"]
        assert theirs == mine | {"work": {"task": task, "job": None, "shard": None}}

    def test_a_training(self, ann: httpx.Client, analysis: Json, add: Add, engine: Engine) -> None:
        add("w:1")
        trial = ann.post("/v1/trials", json={"analysis_id": analysis["id"]}).json()["id"]
        with Session(engine) as session, session.begin():
            row = {"trial_id": trial, "variant": "double", "seed": 0, "leased_by": "w:1"}
            session.add(TrialRun(**row, index=3, state="leased"))
        (mine,) = ann.get(PATH).json()["items"]
        assert mine["work"] == {"task": "train", "job": trial, "shard": 3}

    def test_a_shard(
        self, ann: httpx.Client, bob: httpx.Client, analysis: Json, add: Add, engine: Engine
    ) -> None:
        add("w:1")
        row = {"analysis_id": analysis["id"], "start": 0, "stop": 1, "leased_by": "w:1"}
        with Session(engine) as session, session.begin():
            session.add_all(
                Shard(**row, index=index, state=state)
                for index, state in enumerate(("done", "leased", "cancelled"))
            )
        (mine,) = ann.get(PATH).json()["items"]
        assert mine["work"] == {"task": "shard", "job": analysis["id"], "shard": 1}
        assert bob.get(PATH).json()["items"][0]["work"]["shard"] is None

    def test_idle_and_gone(
        self, ann: httpx.Client, model: Json, add: Add, alter: Callable[..., None]
    ) -> None:
        add("a")
        add("b", seconds=-1.0)
        alter(Model, model["id"], leased_by="b")
        found = [(w["name"], w["state"], w["work"]) for w in ann.get(PATH).json()["items"]]
        assert found == [("a", "idle", None), ("b", "gone", None)]

    def test_pages(self, ann: httpx.Client, add: Add) -> None:
        for name in ("b", "c", "a"):
            add(name)
        first = ann.get(PATH, params={"page_size": 2}).json()
        last = ann.get(PATH, params={"page_token": first["next_page_token"]}).json()
        assert [w["name"] for w in first["items"] + last["items"]] == ["a", "b", "c"]
        assert last["next_page_token"] is None
        problem(ann.get(PATH, params={"page_token": "x"}), 422, "invalid")
