"""`GET /v1/analyses/{id}/report`."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.tables import Analysis, Artifact, File, Layer
from tests.support.answers import problem

Json = dict[str, Any]


@pytest.fixture
def url(analysis: Json) -> str:
    return f"/v1/analyses/{analysis['id']}/report"


@pytest.fixture
def done(analysis: Json, succeed: Callable[[str], None], url: str) -> str:
    succeed(analysis["id"])
    return url


def test_who_may_read_it(
    done: str, anonymous: httpx.Client, bob: httpx.Client, ann: httpx.Client
) -> None:
    problem(anonymous.get(done), 401, "unauthorized")
    problem(bob.get(done), 404, "not-found")
    assert ann.get(done).status_code == 200


def test_there_is_none_before_the_end(ann: httpx.Client, url: str, engine: Engine) -> None:
    problem(ann.get(url), 409, "no-result")


def test_a_page_that_runs_nothing_but_its_own(ann: httpx.Client, done: str) -> None:
    answer = ann.get(done)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"(src|href)=\"(?!#)", answer.text)
    for name in ("conv0", "conv2", "m.pt2", "d.npz", "double"):
        assert name in answer.text


def test_an_entity_tag_for_each_form(ann: httpx.Client, done: str, analysis: Json) -> None:
    forms: list[Json] = [{}, {"format": "md"}, {"format": "svg"}]
    forms.append({"format": "svg", "figure": "ratios"})
    tags = [ann.get(done, params=form).headers["etag"] for form in forms]
    assert len(set(tags)) == 4
    for form, tag in zip(forms, tags, strict=True):
        again = ann.get(done, params=form, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert ann.get(done, headers={"If-None-Match": tags[1]}).status_code == 200


def test_markdown(ann: httpx.Client, done: str) -> None:
    answer = ann.get(done, params={"format": "md"})
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("## m.pt2\n\n**conv0, conv1 and conv2 are bottlenecks.**")
    assert "conv1.out_channels = 12  # was 6" in answer.text


def test_names(ann: httpx.Client, done: str, analysis: Json) -> None:
    naming = {"name": "base <1>", "tags": ["a", "b"], "metadata": {"git_commit": "9d5e4f6"}}
    first = ann.get(done).headers["etag"]
    ann.patch(f"/v1/analyses/{analysis['id']}", json=naming)
    named = ann.get(done, headers={"If-None-Match": first})
    for text in ("<h1>base &lt;1&gt;</h1>", "a, b", "git_commit 9d5e4f6", "m.pt2"):
        assert text in named.text
    ann.patch(f"/v1/models/{analysis['model_id']}", json={"name": "other model"})
    again = ann.get(done, headers={"If-None-Match": named.headers["etag"]})
    assert "other model" in again.text


def test_figures(ann: httpx.Client, done: str) -> None:
    for figure in ("network", "ratios", "saliencies", "plans"):
        answer = ann.get(done, params={"format": "svg", "figure": figure})
        assert answer.headers["content-type"] == "image/svg+xml"
        root = ElementTree.fromstring(answer.text)
        (style,) = (e.text for e in root.iter() if e.tag.endswith("style"))
        digest = base64.b64encode(hashlib.sha256((style or "").encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]
    missing = ann.get(done, params={"format": "svg", "figure": "worth"})
    assert "nothing to draw in the figure 'worth'" in problem(missing, 404, "not-found")["detail"]


def test_what_is_no_format(ann: httpx.Client, done: str) -> None:
    for wrong in ({"format": "pdf"}, {"figure": "pie"}, {"style": "dark"}):
        problem(ann.get(done, params=wrong), 422, "invalid")


def test_saliencies_of_layers_that_share_channels(
    ann: httpx.Client, analysis: Json, done: str, engine: Engine
) -> None:
    with Session(engine) as session, session.begin():
        session.get_one(Layer, (analysis["id"], 1)).name = "conv1"
    svg = ann.get(done, params={"format": "svg", "figure": "saliencies"}).text
    assert svg.count('class="box ') == 1  # conv1 has all five structures
    assert "conv1: median 0.2" in svg


def test_what_was_built(ann: httpx.Client, analysis: Json, done: str, engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(File(sha256="ab" * 32, size=1200))
        session.flush()
        session.add(
            Artifact(
                analysis_id=analysis["id"], index=0, name="double.pt2", sha256="ab" * 32, size=1200
            )
        )
        row = session.get_one(Analysis, analysis["id"])
        row.summary = {**(row.summary or {}), "doubt": "it is <no> better"}
    page = ann.get(done).text
    assert "it is &lt;no&gt; better" in page
    assert f"narrows show {analysis['id']} --output DIR" in page
