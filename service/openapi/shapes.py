"""The Python types of the description's schemas."""

import keyword
from typing import Any, get_args

from narrows import vocabulary

Schema = dict[str, Any]

PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

WORDS = {
    frozenset(get_args(value)): name
    for name, value in vars(vocabulary).items()
    if name[:1].isupper() and get_args(value)
}
"""The names of the types of words in `narrows.vocabulary`."""


def class_name(schema_name: str) -> str:
    """Return the client's name of a schema.

    >>> class_name("AnalysisOut"), class_name("Transform")
    ('Analysis', 'Transform')
    """
    return schema_name.replace("-", "").removesuffix("Out")


def reference(schema: Schema) -> str:
    """Return the name of the schema that is referred to, or ""."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def python_type(schema: Schema) -> str:
    """Return the type of what a schema describes, as an annotation.

    >>> python_type({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'list[int] | None'
    >>> python_type({"enum": ["read", "write"]}), python_type({"$ref": "#/…/LayerOut"})
    ("Literal['read', 'write']", 'Layer')
    """
    if name := reference(schema):
        return class_name(name)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        kinds = list(dict.fromkeys(python_type(one) for one in several))
        return " | ".join([*(k for k in kinds if k != "None"), *(k for k in kinds if k == "None")])
    if sent := schema.get("contentSchema"):  # a text of a form, in JSON
        return class_name(sent["title"]) if "properties" in sent else python_type(sent)
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if words := schema.get("enum"):
        return WORDS.get(frozenset(words)) or f"Literal[{', '.join(map(repr, words))}]"
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_of_items(schema)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {python_type(values) if isinstance(values, dict) else 'Any'}]"
    if kind == "string" and schema.get("format") == "date-time":
        return "datetime"
    return "None" if kind == "null" else PLAIN.get(str(kind), "Any")


def _of_items(schema: Schema) -> str:
    several = schema.get("prefixItems") or [schema.get("items", {})]
    return " | ".join(dict.fromkeys(python_type(one) for one in several))


def attribute(name: str) -> str:
    """Return the name of a field's attribute: `from_` for `from`."""
    return f"{name}_" if keyword.iskeyword(name) else name
