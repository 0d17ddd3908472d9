"""The graph's nodes: from JSON to a straight-line program of operators without side effects.

See docs/security.md, "Rules for archives", 5 and 6.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

import torch

from narrows.graph.functionalization import Functionalization
from narrows.graph.node import Argument, Node, Ref, as_ref
from narrows.graph.operator_names import DROPPED, INLINED
from narrows.graph.operators import INPLACE, SYMBOLIC, argument_names
from narrows.graph.refused_operators import reason_against
from narrows.graph.unsupported import UnsupportedError
from worker.formats.pt2.arguments import read_arguments, read_sizes
from worker.formats.pt2.bodies import NAME, read_block
from worker.formats.pt2.origins import describe, read_origin
from worker.formats.pt2.refusals import refused, unsupported
from worker.formats.pt2.targets import TARGETS
from worker.formats.pt2.tensors import Meta
from worker.formats.strict_json import Value

MAX_OUTPUTS = 4096
MAX_NODES = 20_000
_TARGET = re.compile(r"[\w.:]{1,200}", re.ASCII)
_OPERANDS = {"sym_size.int": ("self", "dim"), "operator.neg": ("a",)}


class Program:
    """The nodes read so far, and the values of their names: assigned once, defined before use.

    The program is the `Scope` of its arguments. A block of a `whole` program is a program whose
    names begin with a prefix of its own.
    """

    def __init__(
        self,
        metas: Mapping[str, Meta],
        sizes: Collection[str],
        whole: "Program | None" = None,
    ) -> None:
        self._blocks: Iterator[int] = whole._blocks if whole else count(1)
        self._prefix = prefix = f"block{next(self._blocks)}." if whole else ""
        self.metas: dict[str, Meta] = whole.metas if whole else {}
        """What the graph says of the tensors, by the names of the network's values."""
        self.metas |= {prefix + name: meta for name, meta in metas.items()}
        self.modules: dict[str, str] = whole.modules if whole else {}  # the classes by path
        self._dtypes: dict[str, torch.dtype | None] = whole._dtypes if whole else {}
        self._dtypes |= {prefix + name: meta.dtype for name, meta in metas.items()}
        self._pure: Functionalization = whole._pure if whole else Functionalization(self._dtypes)
        self._tensors, self._sizes = metas, sizes
        self._defined: set[str] = set()

    def define_input(self, name: Value, user_name: str | None = None) -> str:
        """Define an input of the graph; a tensor in the archive has a `user_name`."""
        text = self._define(name, self._tensors)
        self._pure.define(text, user_name)
        return text

    def tensor(self, name: Value) -> Ref:
        """Return the tensor of that name; raise RefusedError unless it is defined."""
        return Ref(self._use(name, self._tensors))

    def size(self, name: Value) -> Ref:
        """Return the size of that name; raise RefusedError."""
        return Ref(self._use(name, self._sizes))

    def output(self, name: Value) -> str:
        """Return the name of a tensor's value at the end; raise RefusedError."""
        with _explained():
            return self._pure.read(self.tensor(name).name).name

    def add(self, entry: Value) -> None:
        """Read one node; raise RefusedError unless it is a valid call of a known operator."""
        fields = entry.fields(
            "target", "inputs", "outputs", "metadata",
            optional=("is_hop_single_tensor_return", "name"),
        )  # fmt: skip
        target = fields["target"].text(_TARGET)
        stack, function = read_origin(fields["metadata"])
        module, _ = stack[-1]
        if (block := target.removeprefix("torch.ops.higher_order.")) in INLINED:
            self._inline(block, fields)
            return
        if target not in TARGETS:
            what = f"{target} in {describe(module)} is not supported"
            if reason := reason_against(target):
                raise refused(f"{what}: {reason}.")
            raise unsupported(f"{what}.")
        op, overload = TARGETS[target]
        if op in DROPPED:
            return
        self.modules.update(stack)
        if op in SYMBOLIC or overload is None:
            inputs = read_sizes(fields["inputs"], _OPERANDS.get(op, ("a", "b")), self)
        else:
            inputs = read_arguments(fields["inputs"], overload, argument_names(op, overload), self)
        outputs = self._outputs(fields["outputs"])
        if op in INPLACE and not self._writes_one(inputs, outputs):
            raise fields["outputs"].refuse("must be one tensor, which is written in place")
        if op == "as_strided":
            if not self._restates(inputs, outputs):
                raise unsupported(f"as_strided in {describe(module)} may read beyond its input.")
            op, inputs = "alias", {"self": inputs["self"]}
        with _explained():
            self._pure.add(Node(op, inputs, outputs, module, function))

    def _restates(self, inputs: Mapping[str, Argument], outputs: Sequence[str | None]) -> bool:
        """Tell whether `as_strided` gives its argument the layout that it has."""
        names = (as_ref(inputs["self"]).name, *map(str, outputs))
        return len({self.metas[name].layout for name in names if name in self.metas}) == 1

    def _writes_one(self, inputs: Mapping[str, Argument], outputs: Sequence[str | None]) -> bool:
        target = next(iter(inputs.values()), None)
        return (
            isinstance(target, Ref)
            and target.name in self.metas
            and len(outputs) == 1
            and outputs[0] is not None
        )

    def live_nodes(self, outputs: Sequence[str]) -> tuple[Node, ...]:
        """Return the nodes that the outputs depend on; results that no node reads become None."""
        return self._pure.live_nodes(outputs)

    def _inline(self, op: str, fields: Mapping[str, Value]) -> None:
        """Read the calls in a block that only switches gradients, or autocast, off."""
        body, operands = read_block(op, fields["inputs"])
        inner = Program(body.metas, body.sizes, whole=self)
        ends = body.inputs.items(MAX_OUTPUTS)
        if len(ends) != len(operands):
            raise body.inputs.refuse(f"has {len(ends)} inputs for {len(operands)} operands")
        for end, operand in zip(ends, operands, strict=True):
            name, kind = inner._end(end)
            self._pure.bind(inner._define(name, kind), self._use(*self._end(operand)))
        for node in body.nodes.items(MAX_NODES):
            inner.add(node)
        results = [inner._use(*inner._end(end)) for end in body.outputs.items(MAX_OUTPUTS)]
        entries = fields["outputs"].items(MAX_OUTPUTS)  # none where the block only writes
        names = self._outputs(fields["outputs"]) if entries else ()
        if len(names) != len(results):
            raise fields["outputs"].refuse(f"has {len(names)} names for {len(results)} results")
        for result_name, result in zip(names, results, strict=True):
            if result_name is not None:
                self._pure.bind(result_name, result)

    def _end(self, argument: Value) -> tuple[Value, Collection[str]]:
        """Return the name of an input or output of a block, and all names of its kind."""
        kind, content = argument.union()
        if kind == "as_tensor":
            return content.fields("name")["name"], self._tensors
        if kind == "as_sym_int":
            return content.fields("as_name")["as_name"], self._sizes
        raise argument.refuse(f"is of the kind {kind}, which Narrows does not read")

    def _outputs(self, entries: Value) -> tuple[str | None, ...]:
        names: list[str | None] = []
        for entry in entries.items(MAX_OUTPUTS):
            kind, content = entry.union()
            if kind == "as_tensor":
                names.append(self._define(content.fields("name")["name"], self._tensors))
            elif kind == "as_tensors":
                tensors = content.items(MAX_OUTPUTS)
                names += [
                    self._define(item.fields("name")["name"], self._tensors) for item in tensors
                ]
            elif kind in ("as_sym_int", "as_sym_bool"):
                names.append(self._define(content.fields("as_name")["as_name"], self._sizes))
            elif kind == "as_none":
                names.append(None)
            else:
                raise entry.refuse(f"is a result of the kind {kind}, which Narrows does not read")
        if not names:
            raise entries.refuse("is empty")
        return tuple(names)

    def _define(self, name: Value, kind: Collection[str]) -> str:
        text = name.text(NAME)
        if text in self._defined:
            raise name.refuse(f"assigns {text} a second time")
        if text not in kind:
            raise name.refuse(f"defines {text}, which the graph does not describe")
        self._defined.add(text)
        return self._prefix + text

    def _use(self, name: Value, kind: Collection[str]) -> str:
        text = name.text(NAME)
        if text not in self._defined or text not in kind:
            raise name.refuse(f"reads {text}, which is not defined there")
        return self._prefix + text


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except UnsupportedError as error:
        raise unsupported(f"{error}.") from None
