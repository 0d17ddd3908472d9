"""Names and tags on pages, lists that are searched by them, and two analyses compared."""

from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.tables import Layer
from tests.service.web.conftest import Browse
from tests.support.answers import created


def test_named_and_found(
    ann: httpx.Client, browse: Browse, analysis: dict[str, Any], model: dict[str, Any]
) -> None:
    page = browse(ann)
    for path, api in (
        (f"/analyses/{analysis['id']}", f"/v1/analyses/{analysis['id']}"),
        (f"/models/{model['id']}", f"/v1/models/{model['id']}"),
    ):
        data = {"name": " <Night> run ", "tags": "a&b, night,, a&b"}
        assert page.post(f"{path}/name", data=data).headers["location"] == path
        shown = ann.get(api).json()
        assert (shown["name"], shown["tags"]) == ("<Night> run", ["a&b", "night"])
        assert "&lt;Night&gt; run" in page.get(path).text
        listed = path.rpartition("/")[0]
        for query, there in (
            ({"q": "night", "state": "", "tag": ""}, True),
            ({"q": "day"}, False),
            ({"tag": "a&b"}, True),
            ({"tag": "b"}, False),
        ):
            assert (path in page.get(listed, params=query).text) == there, query
        assert "?tag=a%26b" in page.get(listed).text
        page.post(f"{path}/name", data={"name": "", "tags": ""})
    assert ann.get(f"/v1/analyses/{analysis['id']}").json()["name"] is None
    assert ann.get(f"/v1/models/{model['id']}").json()["name"] == model["filename"]
    assert page.post(f"{path}/name", data={"tags": "x" * 65}).status_code == 422
    for of, there in ((model["id"], True), ("mdl_" + "0" * 24, False)):
        found = page.get("/analyses", params={"model_id": of})
        assert (analysis["id"] in found.text) == there
    assert page.get("/analyses", params={"model_id": "m"}).status_code == 422


def test_compared(
    ann: httpx.Client,
    browse: Browse,
    analysis: dict[str, Any],
    succeed: Callable[[str], None],
    engine: Engine,
) -> None:
    ids = {name: analysis[name] for name in ("model_id", "dataset_id")}
    asked = {**ids, "name": "later", "max_samples": 512}
    later = created(ann.post("/v1/analyses", json=asked))
    page = browse(ann)
    both = {"a": analysis["id"], "b": later["id"]}
    assert "only one that succeeded has results" in page.get("/compare", params=both).text
    for identity in (analysis["id"], later["id"]):
        succeed(identity)
    with Session(engine) as session, session.begin():
        session.get_one(Layer, (analysis["id"], 0)).verdict = "balanced"
        session.get_one(Layer, (analysis["id"], 1)).name = "<old>"
    shown = page.get("/compare", params=both).text
    assert "max_samples: 4096, then 512" in shown
    for text in ("2 new bottleneck", "1 removed", "&lt;old&gt;", "balanced → bottleneck"):
        assert text in shown
    assert f'value="{analysis["id"]}"' in page.get(f"/analyses/{later['id']}").text
