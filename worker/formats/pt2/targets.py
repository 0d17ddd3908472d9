"""Every target that a node of a graph may name, and the operator that it is in our tables.

See docs/security.md, "Rules for archives", 6.
"""

from collections.abc import Iterator, Mapping

import torch
from torch._ops import OpOverload

from narrows.graph.operator_names import DROPPED, SAME
from narrows.graph.operators import INPLACE, OPERATORS, SYMBOLIC

_SPECIAL = ("sym_size.int", "as_strided")


def _targets() -> Iterator[tuple[str, tuple[str, OpOverload | None]]]:
    """Yield every target that a node may name, with the operator's name in our tables."""
    names = {name: name for name in (*OPERATORS, *INPLACE, *DROPPED, *_SPECIAL)}
    for name, op in (names | dict(SAME)).items():
        packet, _, overload = name.partition(".")
        full = f"{packet}.{overload or 'default'}"
        target = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if target is not None:  # else this torch is too old to have it
            yield f"torch.ops.aten.{full}", (op, target)
    for op in SYMBOLIC:
        if op != "sym_size.int":
            yield (f"_{op}" if op.startswith("operator.") else f"torch.{op}"), (op, None)


TARGETS: Mapping[str, tuple[str, OpOverload | None]] = dict(_targets())
"""For each target the operator's name, and torch's own operator where it is one on tensors."""
