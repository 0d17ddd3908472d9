"""Names and tags on pages, lists that are searched by them, and two analyses compared."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any, Final

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.tables import Layer
from tests.service.web.conftest import Browse
from tests.support.answers import created

FIELD: Final = (
    r'(?s)<(?:input|textarea) id="(name|tags|metadata)"[^>]*?(?:value="|>\n)(.*?)(?:"|</textarea>)'
)
"""A field of the form, with its text, in which quotes are escaped."""


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
    values = {"run": "30", "ema": True, "epochs": 30, "note": ' "a" = b', "rate": 0.5}
    tags = ["a, b", '"c"', 'd"e']
    ann.patch(api, json={"tags": tags, "metadata": values})
    form = page.get(f"{path}/name").text
    assert "run=&#34;30&#34;\nema=true\nepochs=30" in form
    sent = {name: unescape(found) for name, found in re.findall(FIELD, form)}
    page.post(f"{path}/name", data=sent)
    assert [ann.get(api).json()[name] for name in ("tags", "metadata")] == [tags, values]
    page.post(f"{path}/name", data={"metadata": "epochs = 31\n\nnew=<b>"})
    assert ann.get(api).json()["metadata"] == {"epochs": 31, "new": "<b>"}
    for data, field, wrong in (
        ({"tags": "x" * 65}, "tags", "64 or fewer characters"),
        ({"tags": "kept", "metadata": "epochs"}, "metadata", "does not have the form key=value"),
        ({"tags": "kept", "metadata": "a=1\na=2"}, "metadata", "is there twice"),
        ({"tags": "kept", "metadata": "a b=1"}, "metadata", "a b: It may have only letters"),
        ({"tags": "kept", "metadata": "\n".join(f"k{i}=1" for i in range(51))}, "metadata", "50"),
    ):
        answer = page.post(f"{path}/name", data=data)
        assert (answer.status_code, wrong in answer.text) == (422, True), data
        assert f'id="{field}-wrong"' in answer.text
        assert {name: unescape(found) for name, found in re.findall(FIELD, answer.text)} == {
            "name": "",
            "tags": "",
            "metadata": "",
            **data,
        }
    assert ann.get(api).json()["metadata"] == {"epochs": 31, "new": "<b>"}
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
    with Session(engine) as session, session.begin():
        for identity, verdict in ((analysis["id"], "balanced"), (later["id"], "bottleneck")):
            session.add_all(
                Layer(
                    analysis_id=identity, index=index, name=f"stage{index // 50}.conv{index}",
                    op="conv2d", width=6, parameters=60, macs=600, sweep=[], promise=2.0,
                    promise_interval=[1.0, 3.0], verdict="balanced" if index < 50 else verdict,
                )
                for index in range(3, 100)
            )  # fmt: skip
    shown = page.get("/compare", params=both).text
    stages = re.findall(
        r'<details( open)?><summary><span class="mono">(.*?)</span> <span class="soft">(.*?)<',
        shown,
    )
    assert stages == [
        (" open", "conv0–conv2", "▲ 2 new bottleneck, ? 1 unknown"),
        (" open", "stage1.conv50–conv89", "▲ 40 new bottleneck"),
        (" open", "stage1–&lt;old&gt;", "▲ 10 new bottleneck, − 1 removed"),
        ("", "stage0.conv3–conv42", "= 40 same"),
        ("", "stage0.conv43–conv49", "= 7 same"),
    ]
