"""Values that `openapi.json` allows, and what in an answer is not as it says."""

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.support.fuzzing import JSON

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "string": (str,), "array": (list,), "object": (dict,),
}  # fmt: skip
LONGEST = 3
"""The most items of a list that are drawn."""


def _resolved(schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = schema
    while "$ref" in found:
        found = DOCUMENT["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return found


def described(schema: Any) -> st.SearchStrategy[Any]:
    """Draw values of a schema."""
    schema = _resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*map(described, branches))
    kind = schema.get("type")
    if kind == "integer":
        low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
        return st.integers(low, high)
    if kind == "number":
        return st.floats(0, schema.get("maximum", schema.get("exclusiveMaximum")), allow_nan=False)
    if kind == "string":
        return _texts(schema)
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", LONGEST)
        items = described(schema.get("items", {}))
        return st.lists(items, min_size=least, max_size=max(least, min(most, LONGEST)))
    if kind == "object":
        return _objects(schema)
    return {"null": st.none(), "boolean": st.booleans()}.get(str(kind), JSON)


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    if schema.get("format") == "date-time":
        return st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
    return st.text(min_size=schema.get("minLength", 0), max_size=20)


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: described(one) for name, one in schema.get("properties", {}).items()}
    required = {name: fields.pop(name) for name in schema.get("required", ())}
    own = st.fixed_dictionaries(required, optional=fields)
    more = schema.get("additionalProperties")
    if not isinstance(more, dict):
        return own
    others = st.dictionaries(st.text(max_size=9), described(more), max_size=LONGEST)
    return st.builds(lambda one, other: other | one, own, others)


def nearly(schema: Any) -> st.SearchStrategy[Any]:
    """Draw values of a schema; some have a field that may be anything, some are anything."""

    def changed(value: Any, name: str, other: Any) -> Any:
        return value | {name: other} if isinstance(value, dict) else value

    names = st.sampled_from([*_resolved(schema).get("properties", {}), "other"])
    return st.one_of(described(schema), st.builds(changed, described(schema), names, JSON), JSON)


def contradictions(value: Any, schema: Any, where: str = "") -> Iterator[str]:
    """Yield what in a value is not as a schema says."""
    schema = _resolved(schema)
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        if all(any(contradictions(value, branch)) for branch in branches):
            yield f"{where} is none of what it may be: {value!r}"
        return
    kind = schema.get("type")
    if value not in schema.get("enum", [value]) or (kind and type(value) not in TYPES[kind]):
        yield f"{where} is {value!r}"
    elif kind == "array":
        for index, item in enumerate(value):
            yield from contradictions(item, schema.get("items", {}), f"{where}/{index}")
    elif kind == "object":
        yield from _of_object(value, schema, where)


def _of_object(value: dict[str, Any], schema: dict[str, Any], where: str) -> Iterator[str]:
    own, more = schema.get("properties", {}), schema.get("additionalProperties", {})
    yield from (f"{where} lacks {name}" for name in schema.get("required", ()) if name not in value)
    for name, item in value.items():
        if name in own or isinstance(more, dict):
            yield from contradictions(item, own.get(name, more), f"{where}/{name}")
        elif more is False:
            yield f"{where} has {name}"
