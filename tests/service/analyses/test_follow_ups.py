"""Follow-ups: what they ask for, what they refuse, and whose files they keep."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from narrows.vocabulary import PARTIAL_SUMS, RANKINGS
from service.database.jobs import UNLISTED
from service.database.tables import Analysis, Artifact, Dataset, File, Model
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.answers import created, problem
from tests.support.jobs import wait_until

Json = dict[str, Any]
Alter = Callable[..., None]
CONTENTS = {PARTIAL_SUMS: b"partial sums" * 100, RANKINGS: b"rankings" * 10}
INSPECTION: Json = {
    "layers": [{"name": "conv1"}, {"name": "head", "reason": "It is the output."}],
    "groups": [{"layers": ["conv1"]}],
}
REFUSED: list[tuple[str, Json, str, str]] = [
    ("follow-ups", {"method": "sosp_h"}, "/method", "answer only 'joint', 'obs', 'sosp_i'"),
    ("follow-ups", {"max_samples": 9}, "/max_samples", "no such field"),
    ("follow-ups", {"build": ["mine"]}, "/build/0", "no plan 'mine'"),
    ("follow-ups", {"plans": [{"name": "m", "factors": {"x": 2}}]}, "/plans/0/factors/x", "'x'"),
    ("plans", {}, "/factors", "or else a `budget`"),
    ("plans", {"factors": {"conv1": 2.0}, "budget": 0.1}, "/factors", "or else a `budget`"),
    ("plans", {"factors": {"conv1": 2.0}, "multiple": 8}, "/multiple", "for a `budget`"),
    ("plans", {"factors": {"x": 2.0}}, "/factors/x", "no layer 'x'"),
    ("plans", {"name": "double", "factors": {"conv1": 2.0}}, "/name", "itself uses the name"),
    ("builds", {"plan": "mine"}, "/plan", "no plan 'mine'"),
    ("builds", {"plan": {"name": "m", "factors": {"head": 2.0}}}, "/plan/factors/head", "output"),
]


@pytest.fixture
def source(
    analysis: Json, succeed: Callable[[str], None], engine: Engine, settings: Settings, alter: Alter
) -> Json:
    """An analysis that has kept its files."""
    succeed(analysis["id"])
    storage = Storage(settings.resolved_storage_url)
    with Session(engine) as session, session.begin():
        for name, content in CONTENTS.items():
            stored = storage.put(content)
            storage.keep(stored)
            session.add(file := File(sha256=stored.sha256, size=stored.size))
            session.flush()
            kept = {"name": name, "index": UNLISTED[name], "sha256": file.sha256}
            session.add(Artifact(analysis_id=analysis["id"], size=file.size, **kept))
    alter(Model, analysis["model_id"], state="ready", inspection=INSPECTION)
    return analysis


@pytest.fixture
def ask(ann: httpx.Client, source: Json) -> Callable[..., httpx.Response]:
    def post(kind: str, body: Json, **headers: str) -> httpx.Response:
        return ann.post(f"/v1/analyses/{source['id']}/{kind}", json=body, headers=headers)

    return post


Ask = Callable[..., httpx.Response]


def files_of(engine: Engine, identity: str) -> list[str]:
    of = Artifact.analysis_id == identity
    with Session(engine) as session:
        return list(session.scalars(select(Artifact.name).where(of).order_by(Artifact.name)))


def test_another_pruning_ratio(
    ask: Ask, ann: httpx.Client, source: Json, engine: Engine, waiting: Callable[[str], int]
) -> None:
    row = created(ask("follow-ups", {"pruning_ratio": 0.3}))
    assert (row["state"], row["source_id"], row["progress"]["stage"]) == (
        "reducing", source["id"], "reduce",
    )  # fmt: skip
    changed = {"pruning_ratio": 0.3, "source_id": source["id"]}
    assert row["request"] == source["request"] | changed
    wait_until(lambda: waiting("analyze") == 2)  # the source's was the first
    assert files_of(engine, row["id"]) == [PARTIAL_SUMS, RANKINGS]
    assert ann.get("/v1/analyses").json()["items"][0]["id"] == row["id"]
    assert ann.get(f"/v1/analyses/{source['id']}/artifacts").json()["items"] == []


def test_what_ranks_anew_does_not_take_the_rankings(ask: Ask, engine: Engine) -> None:
    for changed in ({"cost": "macs"}, {"method": "joint"}, {"blocks": 7}):
        row = created(ask("follow-ups", changed))
        assert files_of(engine, row["id"]) == [PARTIAL_SUMS]


def test_a_plan_by_factors_or_by_a_budget(ask: Ask) -> None:
    mine = {"name": "mine", "factors": {"conv1": 1.5}}
    asked = created(ask("plans", mine))["request"]
    assert (asked["plans"], asked["build"], asked["advise"]) == ([mine], [], None)
    asked = created(ask("plans", {"budget": 0.2, "cost": "macs"}))["request"]
    assert (asked["plans"], asked["build"]) == (["advise"], [])
    assert asked["advise"] == {"budget": 0.2, "cost": "macs", "multiple": None}
    mine["name"] = "custom"
    assert created(ask("plans", {"factors": {"conv1": 1.5}}))["request"]["plans"] == [mine]


def test_a_network_of_a_plan(ask: Ask) -> None:
    asked = created(ask("builds", {"plan": "double", "init": "fresh"}))["request"]
    assert (asked["plans"], asked["build"], asked["init"]) == (["double"], ["double"], "fresh")
    asked = created(ask("builds", {"plan": "pruned", "pruning_ratio": 0.2}))["request"]
    assert (asked["plans"], asked["build"], asked["pruning_ratio"]) == ([], ["pruned"], 0.2)
    mine = {"name": "mine", "factors": {"conv1": 0.5}}
    asked = created(ask("builds", {"plan": mine}))["request"]
    assert (asked["plans"], asked["build"]) == ([mine], ["mine"])


def test_what_is_refused(ask: Ask) -> None:
    for kind, body, pointer, told in REFUSED:
        answer = problem(ask(kind, body), 422, "invalid")
        (error,) = answer["errors"]
        assert error["pointer"] == pointer
        assert told in error["detail"]


def test_without_partial_sums_there_is_none(
    ann: httpx.Client, analysis: Json, succeed: Callable[[str], None]
) -> None:
    path = f"/v1/analyses/{analysis['id']}/follow-ups"
    problem(ann.post(path, json={}), 409, "no-result")
    succeed(analysis["id"])
    told = problem(ann.post(path, json={}), 409, "no-partial-sums")["detail"]
    assert told.endswith("Run the analysis again.")


def test_the_model_must_be_there_and_the_data_need_not(
    ask: Ask, source: Json, alter: Alter
) -> None:
    alter(Dataset, source["dataset_id"], state="expired")
    created(ask("follow-ups", {}))
    alter(Model, source["model_id"], state="expired")
    problem(ask("follow-ups", {}), 409, "upload-expired")


def test_the_same_request_once_more(ask: Ask, ann: httpx.Client, source: Json) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = (created(ask("follow-ups", {"cost": "macs"}, **key)) for _ in range(2))
    assert first["id"] == second["id"]
    problem(ask("follow-ups", {"cost": "parameters"}, **key), 422, "idempotency-key-reused")
    assert len(ann.get("/v1/analyses").json()["items"]) == 2


def test_it_keeps_the_files_of_a_deleted_source(
    ask: Ask, ann: httpx.Client, source: Json, alter: Alter, settings: Settings
) -> None:
    row = created(ask("follow-ups", {}))
    usage = ann.get("/v1/usage").json()
    assert usage["jobs"]["analysis"] == {"reducing": 1, "succeeded": 1}
    storage = settings.data / "files"
    sizes = [path.stat().st_size for path in storage.rglob("*") if path.is_file()]
    assert usage["bytes"] == sum(sizes)  # each file counts once
    assert ann.delete(f"/v1/analyses/{source['id']}").status_code == 204
    assert ann.get(f"/v1/analyses/{row['id']}").json()["source_id"] == source["id"]
    assert ann.get("/v1/usage").json()["bytes"] == sum(sizes)
    alter(Analysis, row["id"], state="failed")
    assert ann.delete(f"/v1/analyses/{row['id']}").status_code == 204
    left = [path.stat().st_size for path in storage.rglob("*") if path.is_file()]
    assert sum(left) == sum(sizes) - sum(map(len, CONTENTS.values()))


def test_it_is_cancelled(ask: Ask, ann: httpx.Client) -> None:
    row = created(ask("plans", {"budget": 0.1}))
    answer = ann.post(f"/v1/analyses/{row['id']}/cancel").json()
    assert (answer["state"], answer["cancel_requested"]) == ("reducing", True)
