"""Lists that are searched and filtered."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.support.answers import created, problem

Json = dict[str, Any]


@pytest.fixture
def models(ann: httpx.Client) -> Mapping[str, str]:
    """Models with names that are hard to search for; their ids by the names of their files."""

    def upload(filename: str, name: str, tags: list[str], **metadata: Any) -> str:
        data = {"name": name, "tags": json.dumps(tags), "metadata": json.dumps(metadata)}
        files = {"file": (filename, filename.encode())}
        return str(created(ann.post("/v1/models", files=files, data=data))["id"])

    return {
        "one.pt2": upload("one.pt2", "Größe 100%", ["a", "b"], epochs=30, ema=True, run="r1"),
        "two.pt2": upload("two.pt2", "100 % of_it", ["b", 'c"d'], epochs="30", ema=False, run="r2"),
        "six.pt2": upload("six.pt2", "ofXit", ["Nightly"], epochs=30.5, ema=1, run="true"),
    }


FOUND = [
    ("q=GRÖSSE", ""),
    ("q=GRÖß", "one"),
    ("q=100%25", "one"),
    ("q=OF_it", "two"),
    ("q=\\", ""),
    ("q=.PT2", "one two six"),
    ("q=night", "six"),
    ('q="', "two"),
    ('q=b", "c', ""),
    ("q=", "one two six"),
    ("tag=b", "one two"),
    ("tag=a&tag=b", "one"),
    ('tag=c"d', "two"),
    ("tag=nightly", ""),
    ("metadata=epochs=30", "one two"),
    ("metadata=epochs=30.0", "one"),
    ("metadata=epochs=30.5", "six"),
    ("metadata=ema=true", "one"),
    ("metadata=ema=false", "two"),
    ("metadata=ema=1", "six"),
    ("metadata=run=true", "six"),
    ("metadata=run=r1&metadata=ema=true", "one"),
    ("metadata=run=r1&metadata=ema=false", ""),
    ("metadata=none=" + "9" * 400, ""),
    ("metadata=none=", ""),
    ("q=of&tag=b", "two"),
]
"""Queries, and the models that they find."""


def test_what_is_found(ann: httpx.Client, bob: httpx.Client, models: Mapping[str, str]) -> None:
    names = {identity: filename.removesuffix(".pt2") for filename, identity in models.items()}
    found = {
        query: {names[item["id"]] for item in ann.get(f"/v1/models?{query}").json()["items"]}
        for query, _ in FOUND
    }
    assert found == {query: set(expected.split()) for query, expected in FOUND}
    assert bob.get("/v1/models?q=pt2").json()["items"] == []
    one = models["one.pt2"]
    for text, count in ((one, 1), (one[:20].upper(), 1), (one[4:], 0), ("mdl_", 3)):
        assert len(ann.get("/v1/models", params={"q": text}).json()["items"]) == count


@pytest.mark.parametrize("kind", ["analyses", "trials"])
def test_jobs(ann: httpx.Client, model: Json, dataset: Json, kind: str) -> None:
    other = created(ann.post("/v1/models", files={"file": ("other.pt2", b"other")}))
    of = {"dataset_id": dataset["id"], "model_id": model["id"], "tags": ["x"]}
    first = created(ann.post(f"/v1/{kind}", json=of | {"name": "first"}))
    second = created(ann.post(f"/v1/{kind}", json=of | {"model_id": other["id"]}))

    def found(**params: Any) -> list[str]:
        answer = ann.get(f"/v1/{kind}", params=params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert found(q="FIRST") == found(q="m.pt2") == found(model_id=model["id"]) == [first["id"]]
    assert found(q="other.") == found(model_id=other["id"]) == [second["id"]]
    both = [second["id"], first["id"]]
    assert found(q="d.npz") == found(dataset_id=dataset["id"]) == found(tag="x") == both
    assert found(model_id="mdl_" + "0" * 24) == found(state="failed", tag="x") == []
    moment = second["created_at"]
    assert found(created_after=moment) == [second["id"]]
    assert found(created_before=moment) == [first["id"]]
    assert found(created_after=first["created_at"], created_before=moment) == [first["id"]]
    if kind == "trials":
        assert found(analysis_id=second["analysis_id"]) == [second["id"]]


def test_pages(ann: httpx.Client) -> None:
    made: list[str] = []
    for i in range(10):
        data = {"tags": json.dumps(["odd" if i % 2 else "even"])}
        answer = ann.post("/v1/models", files={"file": (f"{i}", b"x")}, data=data)
        made.append(created(answer)["id"])
    seen: list[str] = []
    params: dict[str, Any] = {"tag": "odd", "page_size": 2}
    while True:
        page = ann.get("/v1/models", params=params).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_page_token"] is None:
            break
        params["page_token"] = page["next_page_token"]
    assert seen == made[1::2][::-1]
    # With other filters, a token still says from when on: nothing comes twice, none is missing.
    others = ann.get("/v1/models", params=params | {"tag": "even", "page_size": 10}).json()
    assert [item["id"] for item in others["items"]] == made[0:3:2][::-1]


WRONG: list[tuple[Json, str]] = [
    ({"q": "a\0"}, "/q"),
    ({"q": "a" * 201}, "/q"),
    ({"tag": ""}, "/tag/0"),
    ({"tag": [str(i) for i in range(21)]}, "/tag"),
    ({"metadata": "epochs"}, "/metadata/0"),
    ({"metadata": "=30"}, "/metadata/0"),
    ({"model_id": "net.pt2"}, "/model_id"),
    ({"created_after": "yesterday"}, "/created_after"),
    ({"created_after": "2026-01-31T12:00:00"}, "/created_after"),
    ({"created_before": "0001-01-01T00:00:00+09:00"}, "/created_before"),
    ({"state": "lost"}, "/state"),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_wrong_values(ann: httpx.Client) -> None:
    for params, pointer in WRONG:
        errors = problem(ann.get("/v1/analyses", params=params), 422, "invalid")["errors"]
        assert [(error["pointer"], error["in"]) for error in errors] == [(pointer, "query")]
    answer = ann.get("/v1/analyses?state=failed&state=queued")
    assert "comes twice" in problem(answer, 422, "invalid")["detail"]
