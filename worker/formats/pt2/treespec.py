"""Treespecs: how inputs and outputs are nested, as JSON in a text.

torch imports the types that a treespec names, and looks up members of enums. Here a type is a name
that is never looked up: collections become tuples, lists and dictionaries. What a type's context
holds beside names may be an attack and is refused.

See docs/security.md, "Rules for archives", 8.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from narrows.graph.output_tree import Nesting, collection
from worker.formats import strict_json
from worker.formats.refusals import quoted, unsafe
from worker.formats.strict_json import Value

_TEXT = re.compile(r"[ -~]{0,1048576}")
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,256}")
_TYPE = re.compile(r"[A-Za-z_][\w.]{0,299}", re.ASCII)
_MAX_ITEMS = 1024

Fields = Mapping[str, list[str]]
"""The names of the fields of each type of named tuples."""


def read_fields(value: Value) -> Fields:
    """Read `treespec_namedtuple_fields`; raise RefusedError."""
    types = value.table(_TYPE).items()
    fields = {name: entry.fields("field_names")["field_names"] for name, entry in types}
    return {
        name: [item.text(_NAME) for item in names.items(_MAX_ITEMS)]
        for name, names in fields.items()
    }


def read_treespec(value: Value, fields: Fields) -> Nesting:
    """Return the nesting, with tensors numbered in order; None for an empty text.

    Raises RefusedError: unsafe-archive for types that are no plain collections, malformed-archive.
    """
    text = value.text(_TEXT)
    if not text:
        return None
    version, *specs = strict_json.parse(text.encode(), f"{value.where} (a treespec)").items(2)
    version.integer(1, 1)
    return _read(specs[0], count(), fields) if specs else None


def _read(spec: Value, numbers: Iterator[int], named: Fields) -> Nesting:
    fields = spec.fields("type", "context", "children_spec")
    context = fields["context"]
    if fields["type"].raw is None:
        if context.raw not in (None, "null"):
            raise unsafe(f"{context.where} is {quoted(context.raw)}; it must be empty.")
        if fields["children_spec"].raw != []:
            raise fields["children_spec"].refuse("nests something in a tensor")
        return next(numbers)
    kind = fields["type"].text(_TYPE)
    items = fields["children_spec"].items(_MAX_ITEMS)
    children = [_read(child, numbers, named) for child in items]
    if kind == "builtins.list" and context.raw in (None, "null"):
        return children
    try:
        return collection(_read_context(kind, context, named), children)
    except ValueError as error:
        raise context.refuse(str(error)) from None


def _read_context(kind: str, context: Value, named: Fields) -> Any:
    """Return the names in a type's context, as `collection` takes them."""
    if context.raw is None:
        return None
    if kind == "collections.defaultdict":
        names = context.fields("default_factory_module", "default_factory_name", "dict_context")
        return _check_names(names["dict_context"])
    if kind == "collections.namedtuple" and context.raw in named:
        return named[context.raw]
    try:
        parsed = strict_json.parse(context.raw.encode(errors="surrogatepass"), context.where)
    except AttributeError:  # it is no text
        parsed = context
    if parsed.raw is None:
        return None
    if not isinstance(parsed.raw, list):
        raise unsafe(
            f"{context.where}, of {quoted(kind)}, is {quoted(context.raw)}; Narrows reads "
            "collections that have names or nothing in their context."
        )
    return _check_names(parsed)


def _check_names(names: Value) -> list[Any]:
    """Check that the names, and those in lists of names, are plain; return them."""
    for name in names.items(_MAX_ITEMS):
        if isinstance(name.raw, list):
            _check_names(name)
        elif type(name.raw) is int:
            name.integer()
        else:
            name.text(_NAME)
    checked: list[Any] = names.raw
    return checked
