"""Treespecs: how inputs and outputs are nested, as JSON in a text.

torch imports the types that a treespec names, and looks up members of enums. Here a treespec may
hold only tuples, lists and dicts of tensors; any other may be an attack and is refused.

See docs/security.md, "Rules for archives", 8.
"""

import re
from collections.abc import Iterator
from itertools import count

from narrows.graph.output_tree import Nesting
from worker.formats.pt2 import strict_json
from worker.formats.pt2.refusals import quoted, unsafe
from worker.formats.pt2.strict_json import Value

_TEXT = re.compile(r"[ -~]{0,1048576}")
_NAME = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)
_MAX_ITEMS = 1024


def read_treespec(value: Value) -> Nesting | None:
    """Return the nesting, with tensors numbered in order; None for an empty text.

    Raises RefusedError: unsafe-archive for other types, malformed-archive.
    """
    text = value.text(_TEXT)
    if not text:
        return None
    version, *specs = strict_json.parse(text.encode(), f"{value.where} (a treespec)").items(2)
    version.integer(1, 1)
    return _read(specs[0], count()) if specs else None


def _read(spec: Value, numbers: Iterator[int]) -> Nesting:
    fields = spec.fields("type", "context", "children_spec")
    kind, context = fields["type"].raw, fields["context"]
    if kind is None:
        _check_empty(context)
        if fields["children_spec"].raw != []:
            raise fields["children_spec"].refuse("nests something in a tensor")
        return next(numbers)
    children = [_read(child, numbers) for child in fields["children_spec"].items(_MAX_ITEMS)]
    if kind == "builtins.dict" and isinstance(context.raw, str):
        names = _names(context)
        if not len(set(names)) == len(names) == len(children):
            raise context.refuse(f"does not name {len(children)} items")
        return dict(zip(names, children, strict=True))
    if kind not in ("builtins.tuple", "builtins.list"):
        raise unsafe(
            f"{spec.where} nests inputs or outputs in {quoted(kind)}, which Narrows does not "
            "import. Let the network take and return tensors, tuples, lists or dicts."
        )
    _check_empty(context)
    return children if kind == "builtins.list" else tuple(children)


def _names(context: Value) -> list[str]:
    names = strict_json.parse(context.raw.encode(errors="surrogatepass"), context.where)
    return [name.text(_NAME) for name in names.items(_MAX_ITEMS)]


def _check_empty(context: Value) -> None:
    if context.raw not in (None, "null"):
        raise unsafe(f"{context.where} is {quoted(context.raw)}; it must be empty.")
