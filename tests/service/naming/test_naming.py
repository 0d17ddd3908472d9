"""Names, tags and metadata: given, added when something comes again, changed."""

import json
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from service.database.tables import Model
from tests.support.answers import created, problem
from tests.support.upload_sessions import put_part, session_request

Json = dict[str, Any]
METADATA: Json = {"git_commit": "9d5e4f6", "epochs": 30, "rate": 0.1, "ema": True}
NAMING: Json = {"name": "baseline", "tags": ["nightly", "Ü 1"], "metadata": METADATA}


def form(tags: Any = None, metadata: Any = None, **fields: str) -> dict[str, str]:
    given = {"tags": tags, "metadata": metadata}
    return fields | {k: json.dumps(v) for k, v in given.items() if v is not None}


def upload(client: httpx.Client, content: bytes = b"net", **fields: Any) -> Json:
    files = {"file": ("net.pt2", content)}
    return created(client.post("/v1/models", files=files, data=form(**fields)))


def named(thing: Json) -> Json:
    return {name: thing[name] for name in NAMING}


@pytest.fixture(params=["models", "analyses", "trials"])
def thing(request: pytest.FixtureRequest, ann: httpx.Client) -> tuple[str, Json]:
    """The path of something that was named when it was made, and what was answered."""
    if request.param == "models":
        made = upload(ann, **NAMING)
    else:
        of = {f"{kind}_id": request.getfixturevalue(kind)["id"] for kind in ("model", "dataset")}
        made = created(ann.post(f"/v1/{request.param}", json={**of, **NAMING}))
    return f"/v1/{request.param}/{made['id']}", made


def test_a_thing_with_names(thing: tuple[str, Json], ann: httpx.Client) -> None:
    path, made = thing
    assert named(made) == named(ann.get(path).json()) == NAMING
    assert not NAMING.keys() & made.get("request", {}).keys()

    assert ann.patch(path, json={}).json() == made
    assert named(ann.patch(path, json={"tags": ["x"]}).json()) == NAMING | {"tags": ["x"]}
    change = {"metadata": {"epochs": None, "rate": 1, "new": "x"}}
    left = {"git_commit": "9d5e4f6", "rate": 1, "ema": True, "new": "x"}
    assert ann.patch(path, json=change).json()["metadata"] == left
    many = {"metadata": {f"k{i}": i for i in range(50)}}
    error = problem(ann.patch(path, json=many), 422, "invalid")["errors"][0]
    assert error["pointer"] == "/metadata"
    assert ann.get(path).json()["metadata"] == left

    bare = ann.patch(path, json=dict.fromkeys(NAMING)).json()
    assert named(bare) == {"name": made.get("filename"), "tags": [], "metadata": {}}
    if "trials" in path:  # its own analysis was called as it was
        assert named(ann.get(f"/v1/analyses/{made['analysis_id']}").json()) == NAMING


WRONG: Final[list[tuple[Json, str | None]]] = [
    ({"name": ""}, "/name"),
    ({"tags": "a"}, "/tags"),
    ({"tags": ["a\nb"]}, "/tags/0"),
    ({"tags": ["a" * 65]}, "/tags/0"),
    ({"tags": [str(i) for i in range(21)]}, "/tags"),
    ({"metadata": []}, "/metadata"),
    ({"metadata": {"a b": 1}}, None),
    ({"metadata": {"a": None}}, "/metadata/a"),
    ({"metadata": {"a": [1]}}, "/metadata/a"),
    ({"metadata": {"a": "x" * 501}}, "/metadata/a"),
    ({"metadata": {"a": "\0"}}, "/metadata/a"),
    ({"metadata": {"a": 2**53 + 1}}, "/metadata/a"),
    ({"metadata": {f"k{i}": 1 for i in range(51)}}, "/metadata"),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
class TestUploads:
    def test_what_is_wrong(self, ann: httpx.Client, model: Json, dataset: Json) -> None:
        of = {"model_id": model["id"], "dataset_id": dataset["id"]}
        for naming, pointer in WRONG:
            answers = [
                ann.post("/v1/models", files={"file": b"x"}, data=form(**naming)),
                ann.post("/v1/analyses", json=of | naming),
            ]
            if naming != {"metadata": {"a": None}}:  # which removes
                answers.append(ann.patch(f"/v1/models/{model['id']}", json=naming))
            for answer in answers:
                errors = problem(answer, 422, "invalid")["errors"]
                assert pointer is None or [error["pointer"] for error in errors] == [pointer]

    def test_the_same_again(self, ann: httpx.Client) -> None:
        first = upload(ann, tags=["a", "b", " a "], metadata={"run": 1, "by": "ann"})
        again = upload(ann, tags=["b", "c"], metadata={"run": 2})
        assert again["id"] == first["id"]
        assert again["tags"] == ["a", "b", "c"]
        assert again["metadata"] == {"run": 2, "by": "ann"}
        many = {"tags": json.dumps([f"t{i}" for i in range(18)])}
        answer = ann.post("/v1/models", files={"file": ("net.pt2", b"net")}, data=many)
        assert "21" in problem(answer, 422, "invalid")["detail"]

        other = upload(ann, name="v2")
        assert other["id"] not in (first["id"], upload(ann)["id"])
        assert upload(ann, name="v2")["id"] == other["id"]

    def test_a_renamed_one_is_found_by_its_file(self, ann: httpx.Client) -> None:
        first = upload(ann)
        ann.patch(f"/v1/models/{first['id']}", json={"name": "baseline"})
        again = upload(ann)
        assert (again["id"], again["name"]) == (first["id"], "baseline")

    def test_in_parts(self, ann: httpx.Client) -> None:
        body = session_request(b"net", filename="net.pt2", **NAMING)
        session = created(ann.post("/v1/uploads", json=body))
        assert named(session) == NAMING
        put_part(ann, session["id"], 0, b"net")
        made = created(ann.post(f"/v1/uploads/{session['id']}/complete"))
        assert (named(made), made["filename"]) == (NAMING, "net.pt2")
        more = body | {"tags": ["more"], "metadata": {}}
        again = created(ann.post("/v1/uploads", json=more))
        assert (again["state"], again["upload_id"]) == ("completed", made["id"])
        assert ann.get(f"/v1/models/{made['id']}").json()["tags"] == [*NAMING["tags"], "more"]
        del body["name"], body["filename"]
        problem(ann.post("/v1/uploads", json=body), 422, "invalid")

    def test_an_expired_one_can_be_renamed(
        self, ann: httpx.Client, model: Json, alter: Callable[..., None]
    ) -> None:
        alter(Model, model["id"], state="expired")
        path = f"/v1/models/{model['id']}"
        assert ann.patch(path, json={"name": "old"}).json()["name"] == "old"
        problem(ann.patch(path, json={"expires_at": None}), 409, "upload-expired")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_repeated_request_for_an_analysis(ann: httpx.Client, analysis: Json) -> None:
    body = {name: analysis[name] for name in ("model_id", "dataset_id")} | NAMING
    headers = {"Idempotency-Key": "k"}
    first = created(ann.post("/v1/analyses", json=body, headers=headers))
    ann.patch(f"/v1/analyses/{first['id']}", json={"name": "other"})
    again = created(ann.post("/v1/analyses", json=body, headers=headers))
    assert (again["id"], again["name"]) == (first["id"], "other")
