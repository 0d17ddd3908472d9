"""The arguments of a node, each read as the type in the operator's schema.

See docs/security.md, "Rules for archives", 6.
"""

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from torch._ops import OpOverload

from narrows.graph.node import Argument, Ref
from narrows.graph.operator_names import PLACEMENT
from worker.formats.pt2 import tensors
from worker.formats.strict_json import Value

MAX_ARGUMENTS = 32
MAX_ITEMS = 4096
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_WORD = r"(?:[A-Za-z ]{1,16}|[A-Za-z ]{0,16}\.\.\.[A-Za-z ]{0,16})"
_STRINGS: Mapping[str, re.Pattern[str]] = {
    "approximate": re.compile("none|tanh"),
    "rounding_mode": re.compile("floor|trunc"),
    "mode": re.compile("constant|reflect|replicate|circular"),
    "indexing": re.compile("ij|xy"),
    "reduce": re.compile("sum|prod|mean|amax|amin"),
    "side": re.compile("left|right"),
    "padding": re.compile("same|valid"),
    "equation": re.compile(rf"(?:{_WORD},){{0,3}}{_WORD}->{_WORD}?"),
}
"""For each argument name, the pattern of allowed strings."""


class Scope(Protocol):
    """The values that are defined before a node."""

    def tensor(self, name: Value) -> Ref:
        """Return the tensor of that name; raise RefusedError if it is undefined or overwritten."""

    def size(self, name: Value) -> Ref:
        """Return the size of that name; raise RefusedError if it is undefined."""


Reader = Callable[[Value, Scope], Argument]


def read_arguments(
    entries: Value, overload: OpOverload, names: Mapping[str, str], scope: Scope
) -> dict[str, Argument]:
    """Return the arguments, without those that choose a device, by `names` for those of the schema.

    Raises RefusedError for arguments that the schema does not allow.
    """
    schema = {argument.name: argument for argument in overload._schema.arguments}
    arguments: dict[str, Argument] = {}
    numbers = {"self", "other"} <= schema.keys()  # in arithmetic, torch writes Python numbers
    for entry in entries.items(MAX_ARGUMENTS):
        fields = entry.fields("name", "arg", optional=("kind",))
        name = fields["name"].text(_NAME)
        if name not in schema or name in arguments:
            raise entry.refuse(f"passes {name}, which {overload} does not take, or takes only once")
        kind = str(schema[name].real_type)
        if numbers and kind == "Tensor" and fields["arg"].union()[0] != "as_tensor":
            kind = "number"
        arguments[name] = _read(fields["arg"], name, kind, scope)
    for name, argument in schema.items():
        if name not in arguments and not argument.has_default_value():
            raise entries.refuse(f"lacks the argument {name} of {overload}")
    return {
        names[name]: arguments[name]
        for name in schema
        if name in arguments and name not in PLACEMENT
    }


def read_sizes(entries: Value, names: tuple[str, ...], scope: Scope) -> dict[str, Argument]:
    """Return the operands of integer arithmetic by name; `names` are in the operands' order."""
    operands = entries.items(MAX_ARGUMENTS)
    if len(operands) != len(names):
        raise entries.refuse(f"has {len(operands)} operands instead of {len(names)}")
    sizes = {}
    for name, operand in zip(names, operands, strict=True):
        argument = operand.fields("name", "arg", optional=("kind",))["arg"]
        sizes[name] = _read(argument, name, "Tensor" if name == "self" else "int", scope)
    return sizes


def _read(value: Value, name: str, schema_type: str, scope: Scope) -> Argument:
    kind, content = value.union()
    plain = schema_type.removeprefix("Optional[")
    if plain != schema_type:
        if kind == "as_none":
            return None
        plain = plain.removesuffix("]")
    if plain == "str" and kind == "as_string" and name in _STRINGS:
        return content.text(_STRINGS[name])
    readers = _READERS.get(plain, {})
    if kind not in readers:
        raise value.refuse(f"passes {kind} as {name}, which takes {schema_type}")
    return readers[kind](content, scope)


def _tensor(value: Value, scope: Scope) -> Argument:
    return scope.tensor(value.fields("name")["name"])


def _optional_tensor(value: Value, scope: Scope) -> Argument:
    kind, content = value.union()
    if kind == "as_none":
        return None
    if kind != "as_tensor":
        raise value.refuse("is no tensor")
    return _tensor(content, scope)


def _size(value: Value, scope: Scope) -> Argument:
    kind, content = value.union()
    if kind == "as_name":
        return scope.size(content)
    if kind != "as_int":
        raise value.refuse("is neither a number nor a name")
    return content.integer()


def _int(value: Value, _: Scope) -> Argument:
    return value.integer()


def _float(value: Value, _: Scope) -> Argument:
    return value.real()


def _bool(value: Value, _: Scope) -> Argument:
    return value.flag()


def _dtype(value: Value, _: Scope) -> Argument:
    return tensors.read_dtype(value)


def _layout(value: Value, _: Scope) -> Argument:
    return value.integer(tensors.STRIDED, tensors.STRIDED)


def _memory_format(value: Value, _: Scope) -> Argument:
    return value.integer(1, 4)


def _device(value: Value, _: Scope) -> Argument:
    tensors.check_device(value)
    return None


def _list(item: Reader) -> Reader:
    def read(value: Value, scope: Scope) -> Argument:
        return [item(entry, scope) for entry in value.items(MAX_ITEMS)]

    return read


_READERS: Mapping[str, dict[str, Reader]] = {
    "Tensor": {"as_tensor": _tensor},
    "List[Tensor]": {"as_tensors": _list(_tensor)},
    "List[Optional[Tensor]]": {
        "as_tensors": _list(_tensor),
        "as_optional_tensors": _list(_optional_tensor),
    },
    "int": {"as_int": _int, "as_sym_int": _size},
    "List[int]": {"as_ints": _list(_int), "as_sym_ints": _list(_size)},
    "float": {"as_float": _float, "as_int": _int},
    "List[float]": {"as_floats": _list(_float)},
    "bool": {"as_bool": _bool},
    "number": {"as_float": _float, "as_int": _int, "as_bool": _bool, "as_sym_int": _size},
    "ScalarType": {"as_scalar_type": _dtype},
    "Layout": {"as_layout": _layout},
    "MemoryFormat": {"as_memory_format": _memory_format},
    "Device": {"as_device": _device},
}
"""For each type in a schema, the readers of the kinds of arguments that fit it."""
