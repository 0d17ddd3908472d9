"""The types of the client: what it gets as `ApiObject`s, what it sends as `TypedDict`s."""

from collections.abc import Iterable
from typing import Any

from service.openapi.formatting import docstring
from service.openapi.operations import operations
from service.openapi.shapes import (
    WORDS,
    Schema,
    attribute,
    class_name,
    python_type,
    reference,
)

HEAD = f'''"""The types of the API's objects, as `openapi.json` describes them.

Written by `python -m service.openapi`; don't edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from narrows.client.api_object import ApiObject
from narrows.vocabulary import {", ".join(sorted(WORDS.values()))}

'''


def module(described: dict[str, Any]) -> str:
    """Return the module of all types that calls send or get."""
    schemas: dict[str, Schema] = described["components"]["schemas"]
    calls = list(operations(described))
    got = reached(schemas, [call.gives for call in calls])
    sent = reached(schemas, [(call.body, call.form) for call in calls])
    if both := got & sent:
        raise ValueError(f"Schemas for requests alone, or for answers alone: {sorted(both)}")
    parts = [_api_object(class_name(name), schemas[name]) for name in sorted(got)]
    parts += [_request(class_name(name), schemas[name]) for name in sorted(sent)]
    parts += [_typed_dict(call.form_name, _beside_file(call.form)) for call in calls if call.form]
    return HEAD + "\n\n".join(parts)


def reached(schemas: dict[str, Schema], roots: Iterable[Any]) -> set[str]:
    """Return the names of the schemas that others refer to, directly or not."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if (name := reference(part)) and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
    return found


def _api_object(name: str, schema: Schema) -> str:
    lines = [f"class {name}(ApiObject):\n", docstring(schema.get("description", ""))]
    for field, described in schema["properties"].items():
        lines.append(f"\n    {attribute(field)}: {python_type(described)}\n")
        lines.append(docstring(described.get("description", "")))
    return "".join(lines)


def _request(name: str, schema: Schema) -> str:
    """Return the type of what is sent; for XRequest also XOptions, what may be left out."""
    required, fields = schema.get("required", []), schema["properties"]
    if not (required and name.endswith("Request")):
        return _typed_dict(name, schema)
    options = name.removesuffix("Request") + "Options"
    may = {field: described for field, described in fields.items() if field not in required}
    must = {field: described for field, described in fields.items() if field in required}
    said = {"description": f"What may be left out of {name}.", "properties": may}
    return (
        f"{_typed_dict(options, said)}\n\n"
        f"{_typed_dict(name, {**schema, 'properties': must}, base=options)}"
    )


def _typed_dict(name: str, schema: Schema, base: str = "TypedDict") -> str:
    lines = [f"class {name}({base}):\n", docstring(schema.get("description", "")) or "    pass\n"]
    required = schema.get("required", ())
    for field, described in schema["properties"].items():
        kind = python_type(described)
        kind = kind if field in required else f"NotRequired[{kind}]"
        lines.append(f"\n    {field}: {kind}\n{docstring(described.get('description', ''))}")
    return "".join(lines)


def _beside_file(form: Schema) -> Schema:
    properties = {name: field for name, field in form["properties"].items() if name != "file"}
    return {"description": "What an upload says beside the file.", "properties": properties}
