"""Whatever comes, the answer is one that `openapi.json` describes."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.answers import Client, created
from tests.support.described import DOCUMENT, contradictions, described, nearly
from tests.support.fuzzing import check, fuzz

OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
TYPE = "content-type"


@pytest.fixture
def database_kind() -> str:
    return "postgresql"  # which refuses more, such as NUL in texts


@pytest.fixture
def ids(ann: httpx.Client, model: dict[str, Any], dataset: dict[str, Any]) -> dict[str, str]:
    """What paths and bodies may name of what is there."""
    body = {"model_id": model["id"], "dataset_id": dataset["id"]}
    analysis, trial = (created(ann.post(f"/v1/{k}", json=body)) for k in ("analyses", "trials"))
    return body | {"analysis_id": analysis["id"], "trial_id": trial["id"]}


@settings(fuzz, max_examples=300)
@given(data=st.data())
def test_answers_are_as_described(
    client_of: Client, ids: dict[str, str], data: st.DataObject
) -> None:
    """Operations are sent with values that fit their schema, or nearly, as schemathesis does."""
    client = client_of("ann", ("read", "write", "admin"))
    method, path, operation = data.draw(st.sampled_from(OPERATIONS))
    asked: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            texts = described(schema) | st.text(min_size=1, max_size=9)
            if name in ids and not path.endswith("/events"):  # which would go on
                texts = st.just(ids[name]) | texts
            text = data.draw(texts)
            asked["path"][name] = quote(str(text).replace("/", "").encode() or b"-", safe="")
        elif parameter.get("required") or data.draw(st.booleans()):
            asked[parameter["in"]][name] = data.draw(nearly(schema))
    headers = {k: str(v).encode("ascii", "ignore") for k, v in asked["header"].items()}
    headers = {k: bytes(c for c in v if c >= 32).strip() for k, v in headers.items()}
    query = {name: str(value) for name, value in asked["query"].items()}
    url = path.format(**asked["path"])
    answer = client.request(method, url, params=query, **_body(data, operation, ids, headers))
    check(answer)
    answers = operation["responses"]
    assert str(answer.status_code) in answers, answer.text
    if answer.content:
        content = answers[str(answer.status_code)]["content"]
        media = answer.headers[TYPE].partition(";")[0]
        assert media in content
        if media.endswith("json"):
            assert not list(contradictions(answer.json(), content[media].get("schema", {})))


def _body(
    data: st.DataObject, operation: dict[str, Any], ids: dict[str, str], headers: dict[str, bytes]
) -> dict[str, Any]:
    """Return the arguments of a request that hold its body, and the headers."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        body = data.draw(nearly(content["application/json"]["schema"]))
        if isinstance(body, dict) and data.draw(st.booleans()):
            body |= {name: ids[name] for name in ids if name in body}
        json_type = {TYPE: b"application/json"}
        return {"content": json.dumps(body).encode(), "headers": headers | json_type}
    if "multipart/form-data" in content:
        fields = data.draw(nearly(content["multipart/form-data"]["schema"]))
        texts = {k: str(v) for k, v in fields.items()} if isinstance(fields, dict) else {}
        file = texts.pop("file", "").encode(errors="replace")
        clean = {k: v.encode(errors="replace") for k, v in texts.items() if k.isascii() and k}
        return {"files": {"file": ("f", file)}, "data": clean, "headers": headers}
    if content:
        return {"content": data.draw(st.binary(max_size=9)), "headers": headers}
    return {"headers": headers}
