"""What every endpoint has in common: HEAD, unknown query parameters, details, descriptions."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import httpx
import pytest
from fastapi import Query
from pydantic import AwareDatetime, HttpUrl, TypeAdapter, ValidationError
from pydantic_core import core_schema

from service.http.problem_document import ProblemDocument
from service.http.problems import ProblemError
from service.plain_errors import PATTERNS, explain
from tests.support.answers import created, problem
from tests.support.upload_sessions import session_request

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
GETS = [path for path, method, _ in OPERATIONS if method == "get"]
KINDS: list[type[ProblemError]] = [ProblemError, *ProblemError.__subclasses__()]
WITHOUT_KEY = {"/", "/livez", "/readyz"}


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the answers don't depend on it


@pytest.fixture
def paths(
    ann: httpx.Client,
    analysis: dict[str, Any],
    model: dict[str, Any],
    dataset: dict[str, Any],
    succeed: Callable[[str], None],
) -> Callable[[str], str]:
    """Fill in the ids of a path."""
    succeed(analysis["id"])
    trial = created(ann.post("/v1/trials", json={"analysis_id": analysis["id"]}))
    ann.post(f"/v1/trials/{trial['id']}/cancel")  # the stream of an ended one ends
    upload = created(ann.post("/v1/uploads", json=session_request(b"bytes")))
    ids = {
        "trial_id": trial["id"],
        "upload_id": upload["id"],
        "number": "0",
        "model_id": model["id"],
        "dataset_id": dataset["id"],
        "analysis_id": analysis["id"],
        "name": "double.pt2",
        "owner": "ann",
        "key_id": "key_" + "0" * 24,
        "webhook_id": "whk_" + "0" * 24,
        "delivery_id": "msg_" + "0" * 24,
    }
    return lambda path: path.format(**ids)


class TestHead:
    @pytest.mark.parametrize("path", [*GETS, "/docs", "/openapi.json"])
    def test_it_is_get_without_content(
        self,
        path: str,
        paths: Callable[[str], str],
        client_of: Callable[..., httpx.Client],
        anonymous: httpx.Client,
        bob: httpx.Client,
    ) -> None:
        ann = client_of("ann", ("read", "write", "admin"))
        for client in (anonymous, bob, ann):
            got, head = client.get(paths(path)), client.head(paths(path))
            assert head.status_code == got.status_code
            assert head.content == b""
            same = ("content-type", "etag", "content-length", "allow", "www-authenticate")
            if path != "/metrics":  # which counts the requests
                assert [head.headers.get(name) for name in same] == [
                    got.headers.get(name) for name in same
                ]
        assert ann.get("/livez").is_success  # the connection can still be used

    def test_range_is_of_get_alone(self, ann: httpx.Client) -> None:
        assert ann.head("/livez", headers={"Range": "bytes=0-1"}).status_code == 200

    def test_a_stream_that_goes_on(self, ann: httpx.Client, analysis: dict[str, Any]) -> None:
        head = ann.head(f"/v1/analyses/{analysis['id']}/events")
        assert head.headers["content-type"].startswith("text/event-stream")

    def test_where_there_is_no_get(self, ann: httpx.Client, analysis: dict[str, Any]) -> None:
        answer = ann.head(f"/v1/analyses/{analysis['id']}/cancel")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    def test_it_counts_as_head(self, client_of: Callable[..., httpx.Client]) -> None:
        admin = client_of("ops", ("admin",))
        admin.head("/v1/models/mdl_0123456789abcdef01234567")
        counted = 'method="HEAD",route="/v1/models/{model_id}",status="404"'
        assert counted in admin.get("/metrics").text


class TestRoot:
    def test_it_leads_on(self, anonymous: httpx.Client, ann: httpx.Client) -> None:
        answer = anonymous.get("/")
        assert answer.status_code == 200
        body = answer.json()
        for path in (body["documentation"], body["description"], *body["health"]):
            assert anonymous.get(path).is_success
        for path in body["resources"]:
            problem(anonymous.get(path), 401, "unauthorized")
            assert ann.get(path).is_success


class TestDelete:
    def test_no_content_has_no_type(
        self, anonymous: httpx.Client, bob: httpx.Client, ann: httpx.Client,
        paths: Callable[[str], str],
    ) -> None:  # fmt: skip
        for path in (
            "/v1/trials/{trial_id}",
            "/v1/analyses/{analysis_id}",
            "/v1/models/{model_id}",
            "/v1/datasets/{dataset_id}",
            "/v1/uploads/{upload_id}",
        ):
            problem(anonymous.delete(paths(path)), 401, "unauthorized")
            problem(bob.delete(paths(path)), 404, "not-found")
            answer = ann.delete(paths(path))
            assert (answer.status_code, answer.content) == (204, b"")
            assert "content-type" not in answer.headers
            assert "content-length" not in answer.headers


class TestQuery:
    @pytest.mark.parametrize(
        ("path", "method", "allowed"),
        [
            (path, method, [p["name"] for p in op.get("parameters", ()) if p["in"] == "query"])
            for path, method, op in OPERATIONS
        ],
    )
    def test_unknown_parameters_are_refused(
        self,
        path: str,
        method: str,
        allowed: list[str],
        paths: Callable[[str], str],
        client_of: Callable[..., httpx.Client],
        anonymous: httpx.Client,
    ) -> None:
        ann = client_of("ann", ("read", "write", "admin"))
        asked: dict[str, Any] = {"params": {"page_sise": "1"}}
        if path not in WITHOUT_KEY:
            problem(anonymous.request(method, paths(path), **asked), 401, "unauthorized")
        if path == "/v1/analyses" and method == "post":
            asked["json"] = {"model_id": "mdl_1", "dataset_id": "dst_1"}
        body = problem(ann.request(method, paths(path), **asked), 422, "invalid")
        assert "'page_sise'" in body["detail"]
        assert body["errors"][0]["in"] == "query"
        assert body["errors"][0]["pointer"] == "/page_sise"
        for name in allowed:
            assert name in body["detail"]

    def test_twice_is_not_once(self, ann: httpx.Client) -> None:
        answer = ann.get("/v1/models?page_size=1&page_size=2")
        assert "comes twice" in problem(answer, 422, "invalid")["detail"]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def plain(text: str) -> bool:
    """Return whether a detail is a sentence, without the words of schemas."""
    bad = re.search(r"\^|\\|\[\^|Input should|should match|pattern|None|\{|ctx", text)
    return not bad and text.endswith(".") and text[0].isupper()


class TestDetails:
    @pytest.mark.parametrize(
        ("kind", "value", "told"),
        [
            (uuid.UUID, "no", "a UUID"),
            (datetime, "yesterday", "a date and a time"),
            (AwareDatetime, "2026-01-31T12:00:00", "a time zone"),
            (timedelta, "long", "a duration"),
            (Colour, "green", "'red' or 'blue'"),
            (Literal["a", "b"], "c", "'a' or 'b'"),
            (int, "x", "a whole number"),
            (int, 1.5, "a whole number"),
            (float, "x", "a number"),
            (bool, "x", "true or false"),
            (str, 1, "text"),
            (list[int], 1, "a list"),
            (dict[str, int], 1, "an object"),
            (HttpUrl, "x", "a URL"),
            (HttpUrl, "ftp://x", "http"),
            (bytes, 1, "text"),
            (type(None), 1, "null"),
            (Annotated[str, Query(pattern="^[a-z]+$")], "A", "characters"),
            (Annotated[str, Query(max_length=2)], "abc", "2 or fewer"),
            (Annotated[list[int], Query(min_length=2)], [1], "2 or more entries, not 1"),
            (Annotated[float, Query(gt=0)], 0, "greater than 0"),
            (Annotated[int, Query(multiple_of=5)], 3, "multiple of 5"),
        ],
    )
    def test_of_a_wrong_value(self, kind: Any, value: object, told: str) -> None:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(kind).validate_python(value)
        text = explain(caught.value.errors()[0])
        assert told in text
        assert plain(text)

    @pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
    def test_of_every_error_of_pydantic(self, kind: str) -> None:
        assert plain(explain({"type": kind, "msg": "Input should be ^x$", "ctx": {}}))

    def test_of_every_pattern_in_the_schemas(self) -> None:
        found = set(_values(DOCUMENT, "pattern"))
        assert found
        assert found <= PATTERNS.keys()
        assert all(map(plain, PATTERNS.values()))

    @pytest.mark.parametrize(
        ("ask", "told"),
        [
            ({"url": "/v1/models", "params": {"page_size": "many"}}, "`/page_size`: It must be a"),
            ({"url": "/v1/models", "params": {"state": "lost"}}, "'rejected' or 'expired'"),
            ({"url": "/nowhere"}, "`/docs`"),
            ({"url": "/livez", "method": "PUT"}, "allowed are GET, HEAD."),
            ({"url": "/v1/analyses", "method": "POST", "content": b"{",
              "headers": {"Content-Type": "application/json"}}, "not JSON"),
            ({"url": "/v1/analyses", "method": "POST", "json": {"model_id": " ", "seed": "x"}},
             "In all, 3 values are wrong."),
            ({"url": "/v1/analyses", "method": "POST", "headers": {"Idempotency-Key": "a b"},
              "json": {"model_id": "mdl_1", "dataset_id": "dst_1"}}, "without spaces"),
        ],
    )  # fmt: skip
    def test_of_a_refused_request(self, ann: httpx.Client, ask: dict[str, Any], told: str) -> None:
        body = ann.request(**{"method": "GET", **ask}).json()
        assert told in body["detail"]
        for text in (body["detail"], *(error["detail"] for error in body.get("errors", ()))):
            assert plain(text), text


class TestDescription:
    def test_every_field_and_parameter_is_described(self) -> None:
        bare = [
            f"{name}.{field}"
            for name, schema in DOCUMENT["components"]["schemas"].items()
            for field, described in schema.get("properties", {}).items()
            if not described.get("description")
        ]
        bare += [
            f"{method} {path} {parameter['name']}"
            for path, method, operation in OPERATIONS
            for parameter in operation.get("parameters", ())
            if not parameter.get("description")
        ]
        bare += [f"{method} {path}" for path, method, op in OPERATIONS if not op.get("description")]
        assert bare == []

    def test_examples_fit_their_status(self) -> None:
        kinds = {kind.slug: kind for kind in KINDS}
        for path, _, operation in OPERATIONS:
            for status, response in operation["responses"].items():
                if status < "400":
                    continue
                examples = response["content"]["application/problem+json"]["examples"]
                assert examples, (path, status)
                for slug, example in examples.items():
                    document = example["value"]
                    assert document["status"] == int(status) == kinds[slug].status
                    assert document["type"] == f"urn:narrows:problem:{slug}"
                    assert document["title"] == kinds[slug].title
                    assert plain(document["detail"])
                    ProblemDocument.model_validate(document)

    def test_of_what_was_just_made(self) -> None:
        for path, state in (("/v1/models", "inspecting"), ("/v1/datasets", "inspecting")):
            content = DOCUMENT["paths"][path]["post"]["responses"]["201"]["content"]
            assert content["application/json"]["example"]["state"] == state

    def test_no_content_has_none(self) -> None:
        for path, _, operation in OPERATIONS:
            assert "content" not in operation["responses"].get("204", {}), path

    def test_every_problem_is_listed(self) -> None:
        listed = {slug for examples in _values(DOCUMENT, "examples") if isinstance(examples, dict)
                  for slug in examples}  # fmt: skip
        assert {kind.slug for kind in KINDS} <= listed


def _values(node: Any, name: str) -> Iterator[Any]:
    """Yield the values of all fields of this name in a JSON document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name and not (isinstance(value, dict) and "type" in value):
                yield value
            yield from _values(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, name)
