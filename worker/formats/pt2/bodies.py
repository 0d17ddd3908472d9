"""The parts of a graph, and of a block within one: its ends, its nodes, and what it says of values.

See docs/security.md, "Rules for archives", 6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from narrows.graph.operator_names import INLINED
from worker.formats.pt2.arguments import MAX_ARGUMENTS
from worker.formats.pt2.refusals import unsupported
from worker.formats.pt2.tensors import Meta, read_meta, read_size
from worker.formats.refusals import unsafe
from worker.formats.strict_json import Value

NAME = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)


@dataclass(frozen=True)
class Body:
    """A graph's ends and nodes, its descriptions of tensors, and the names of its sizes."""

    inputs: Value
    outputs: Value
    nodes: Value
    metas: Mapping[str, Meta]
    sizes: frozenset[str]


def read_body(graph: Value) -> Body:
    """Check all that is in a graph beside its nodes and ends; raise RefusedError."""
    fields = graph.fields(
        "inputs", "outputs", "nodes", "tensor_values", "sym_int_values", "sym_bool_values",
        "is_single_tensor_return", "custom_obj_values", "sym_float_values",
    )  # fmt: skip
    for kind in ("custom_obj_values", "sym_float_values"):
        if fields[kind].raw != {}:
            raise unsafe(f"{fields[kind].where} is not empty; Narrows reads tensors and integers.")
    metas = {
        name: read_meta(value, stored=False)
        for name, value in fields["tensor_values"].table(NAME).items()
    }
    sizes = _read_sizes(fields["sym_int_values"], fields["sym_bool_values"])
    return Body(fields["inputs"], fields["outputs"], fields["nodes"], metas, sizes)


def _read_sizes(*tables: Value) -> frozenset[str]:
    names = set()
    for table in tables:
        for name, value in table.table(NAME).items():
            kind, content = value.union()
            if kind == "as_bool":
                content.flag()
            else:
                read_size(value)
            names.add(name)
    return frozenset(names)


def read_block(op: str, entries: Value) -> tuple[Body, list[Value]]:
    """Return the body of a block and its operands; raise RefusedError unless it changes no value.

    `op` is `wrap_with_set_grad_enabled`, or `wrap_with_autocast` that switches it off.
    """
    arguments = [
        entry.fields("name", "arg", optional=("kind",))["arg"]
        for entry in entries.items(MAX_ARGUMENTS * 8)
    ]
    if len(arguments) <= INLINED[op]:
        raise entries.refuse(f"has {len(arguments)} operands, too few for {op}")
    options, (body, *operands) = arguments[: INLINED[op]], arguments[INLINED[op] :]
    if op == "wrap_with_autocast":
        enabled = options[2].union()
        if enabled[0] != "as_bool" or enabled[1].flag():
            raise unsupported(
                "The network computes under torch.autocast, in several number types. Export it "
                "without, in the number type in which it is to be analysed."
            )
    kind, graph = body.union()
    if kind != "as_graph":
        raise body.refuse("is no graph")
    fields = graph.fields("name", "graph")
    fields["name"].text(NAME)
    return read_body(fields["graph"]), operands
