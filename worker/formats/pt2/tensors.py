"""The archive's description of a tensor: number type, sizes, strides."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from worker.formats.pt2 import tripwires
from worker.formats.strict_json import Value

MAX_RANK = 8
MAX_SIZE = 1 << 40

DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""`torch._export.serde.schema.ScalarType`, without complex, float8 and wide unsigned numbers."""

STRIDED = 7  # the only layout
_DEVICE = re.compile(r"[a-z]{1,16}")
_PLAIN_SYMBOL = re.compile(r"Symbol\('([suz]\w{1,12})'[^()]*\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Size:
    """A size: a number, or a symbolic expression with its value in the export's example."""

    value: int | None
    expression: str = ""

    @property
    def symbol(self) -> str | None:
        """The name of the symbol, if the expression is just one symbol."""
        plain = _PLAIN_SYMBOL.fullmatch(self.expression)
        return plain[1] if plain else None


@dataclass(frozen=True, slots=True)
class Meta:
    """A description of a tensor; a dtype of None is one that Narrows does not read."""

    dtype: torch.dtype | None
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    offset: Size

    @property
    def layout(self) -> tuple[object, ...]:
        """Sizes, offset, and the strides of dimensions of more than one element."""
        single = [size.value == 1 and not size.expression for size in self.sizes]
        strides = tuple(
            None if one else step for one, step in zip(single, self.strides, strict=True)
        )
        return self.sizes, strides, self.offset

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes; None for a size that is not fixed."""
        return tuple(None if size.expression else size.value for size in self.sizes)


def read_dtype(value: Value) -> torch.dtype:
    dtype = DTYPES.get(value.integer())
    if dtype is None:
        raise value.refuse(f"is the number type {value.raw}; Narrows reads {_names(DTYPES)}")
    return dtype


def _names(dtypes: Mapping[int, torch.dtype]) -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes.values())


def read_size(value: Value) -> Size:
    """Read a size; an expression is checked by the tripwire and kept as text."""
    kind, content = value.union()
    if kind == "as_int":
        return Size(content.integer(0, MAX_SIZE))
    if kind != "as_expr":
        raise value.refuse("is neither a number nor an expression")
    fields = content.fields("expr_str", optional=("hint",))
    expression = tripwires.check_expression(fields["expr_str"])
    if "hint" not in fields or fields["hint"].raw is None:
        return Size(None, expression)
    kind, hint = fields["hint"].union()
    if kind != "as_int":
        raise value.refuse("has a hint that is no integer")
    return Size(hint.integer(0, MAX_SIZE), expression)


def read_meta(value: Value, *, stored: bool) -> Meta:
    """Read the description of a tensor, which is `stored` or else computed by the program.

    An unknown number type is refused only if the tensor is stored. Otherwise the dry run refuses
    the operator that computes it, so that the error names the operator.
    """
    fields = value.fields(
        "dtype", "sizes", "requires_grad", "device", "strides", "storage_offset", "layout"
    )
    fields["requires_grad"].flag()
    fields["layout"].integer(STRIDED, STRIDED)
    check_device(fields["device"])
    sizes = tuple(map(read_size, fields["sizes"].items(MAX_RANK)))
    strides = tuple(map(read_size, fields["strides"].items(MAX_RANK)))
    if len(sizes) != len(strides):
        raise value.refuse(f"has {len(sizes)} sizes but {len(strides)} strides")
    dtype = read_dtype(fields["dtype"]) if stored else DTYPES.get(fields["dtype"].integer())
    return Meta(dtype, sizes, strides, read_size(fields["storage_offset"]))


def check_device(value: Value) -> None:
    """Check a device and drop it: an upload never chooses one."""
    fields = value.fields("type", "index")
    fields["type"].text(_DEVICE)
    if fields["index"].raw is not None:
        fields["index"].integer(0, 1024)
