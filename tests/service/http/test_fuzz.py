"""No input makes the service fail: whatever comes, it is served or refused."""

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import JSON, check, fuzz

FIELDS = [
    "model_id", "dataset_id", "method", "gate", "loss", "pruning_ratio", "max_samples",
    "batch_size", "seed", "exclude", "cost", "plans", "advise", "build", "init", "other",
    "name", "tags", "metadata",
]  # fmt: skip
PLANS = st.lists(
    st.sampled_from(["double", "uniform", "advise", "treble"])
    | st.fixed_dictionaries(
        {
            "name": st.text("ab-", max_size=3) | st.sampled_from(["double", "pruned"]),
            "factors": st.dictionaries(st.text(), st.floats() | st.integers(), max_size=2),
        }
    ),
    max_size=3,
)
# Latin-1 is what a header can carry; the rest of Unicode is for query and body.
HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20).map(str.strip)


@fuzz
@given(
    change=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    plans=PLANS,
    build=st.lists(st.sampled_from(["a", "double", "pruned"]), max_size=2),
    key=HEADERS,
)
def test_requests(
    ann: httpx.Client,
    model: dict[str, Any],
    dataset: dict[str, Any],
    change: dict[str, Any],
    plans: list[Any],
    build: list[str],
    key: str,
) -> None:
    body = {"model_id": model["id"], "dataset_id": dataset["id"], "plans": plans, "build": build}
    body |= change
    headers = {b"content-type": b"application/json", b"idempotency-key": key.encode("latin-1")}
    check(ann.post("/v1/analyses", content=json.dumps(body), headers=headers))


@fuzz
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bodies(ann: httpx.Client, body: bytes) -> None:
    check(ann.post("/v1/analyses", content=body, headers={"content-type": "application/json"}))
    headers = {"content-type": "multipart/form-data; boundary=B"}
    check(ann.post("/v1/datasets", content=b"--B\r\n" + body, headers=headers))


@fuzz
@given(
    state=st.text(max_size=20),
    size=st.text(max_size=20) | st.integers().map(str),
    token=st.text(max_size=40) | st.text("ABCWIisx012_-=", max_size=40),
    header=HEADERS,
    identity=st.text(min_size=1, max_size=30),
)
def test_queries(
    ann: httpx.Client, state: str, size: str, token: str, header: str, identity: str
) -> None:
    headers = {name: header.encode("latin-1") for name in (b"if-none-match", b"prefer")}
    searched = {"q": state, "tag": [state, token], "metadata": f"key={size}"}
    for path in ("/v1/models", "/v1/datasets", "/v1/analyses"):
        for params in ({"state": state}, {"page_size": size}, {"page_token": token}, searched):
            check(ann.get(path, params=params))
        check(ann.get(f"{path}/{quote(identity.encode(), safe='')}", headers=headers))
