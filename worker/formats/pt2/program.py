"""The graph's nodes: from JSON to a straight-line program of operators without side effects.

See docs/security.md, "Rules for archives", 5 and 6.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from narrows.graph.module_types import function_name, module_path, type_name
from narrows.graph.node import Node, Ref
from narrows.graph.operators import DROPPED, INPLACE, OPERATORS, SYMBOLIC, VIEWS
from worker.formats.pt2.aliases import Aliases
from worker.formats.pt2.arguments import read_arguments, read_sizes
from worker.formats.pt2.refusals import unsupported
from worker.formats.pt2.strict_json import Value
from worker.formats.pt2.tensors import Meta

MAX_OUTPUTS = 4096
NAME = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)
_TARGET = re.compile(r"[\w.:]{1,200}", re.ASCII)
_FREE_TEXT = re.compile(r".*", re.DOTALL)
_MODULE = re.compile(r"[\w.]{0,300}", re.ASCII)
_STACK_KEY = re.compile(r"(?:L__self__|\d+).*", re.ASCII | re.DOTALL)
_OPERANDS = {"sym_size.int": ("self", "dim"), "operator.neg": ("a",)}

_TARGETS: Mapping[str, str] = {
    **{
        f"torch.ops.aten.{key}" if "." in key else f"torch.ops.aten.{key}.default": key
        for key in (*OPERATORS, *INPLACE, *DROPPED, "sym_size.int")
    },
    "torch.ops.aten.detach_.default": "detach",  # it writes nothing
    **{f"_{key}": key for key in SYMBOLIC if key.startswith("operator.")},
    **{f"torch.{key}": key for key in SYMBOLIC if key in ("sym_max", "sym_min")},
}
"""Every target that a node may name, with the operator's key in our tables."""


class Program:
    """The nodes read so far, and the values of their names: assigned once, defined before use.

    In-place operators are replaced by pure ones. The program is the `Scope` of its arguments.
    """

    def __init__(self, metas: Mapping[str, Meta], sizes: Collection[str]) -> None:
        self.nodes: list[Node] = []
        self.modules: dict[str, str] = {}  # the classes of modules by path
        self._metas, self._sizes = metas, sizes
        self._defined: set[str] = set()
        self._stored: dict[str, str] = {}  # the user names of parameters, buffers and constants
        self._aliases = Aliases()

    def define_input(self, name: Value, user_name: str | None = None) -> str:
        """Define an input of the graph; a tensor in the archive has a `user_name`."""
        text = self._define(name, self._metas)
        self._aliases.add(text)
        if user_name is not None:
            self._stored[text] = user_name
        return text

    def tensor(self, name: Value) -> Ref:
        """Return the current tensor of that name, after the nodes so far; raise RefusedError."""
        text = self._use(name, self._metas)
        value = self._aliases.resolve(text)
        if self._aliases.is_stale(value):
            raise unsupported(f"{name.where} reads {text} after a part of it was overwritten.")
        return Ref(value)

    def size(self, name: Value) -> Ref:
        """Return the size of that name; raise RefusedError."""
        return Ref(self._use(name, self._sizes))

    def add(self, entry: Value) -> None:
        """Read one node; raise RefusedError unless it is a valid call of a known operator."""
        fields = entry.fields(
            "target", "inputs", "outputs", "metadata",
            optional=("is_hop_single_tensor_return", "name"),
        )  # fmt: skip
        target = fields["target"].text(_TARGET)
        stack, function = read_origin(fields["metadata"])
        module, _ = stack[-1]
        key = _TARGETS.get(target)
        if key is None:
            raise unsupported(f"{target} in {describe(module)} is not supported.")
        if key in DROPPED:
            return
        self.modules.update(stack)
        op = INPLACE.get(key, key)
        if op in SYMBOLIC:
            inputs = read_sizes(fields["inputs"], _OPERANDS.get(op, ("a", "b")), self)
        else:
            inputs = read_arguments(fields["inputs"], OPERATORS[op], self)
        node = Node(op, inputs, self._outputs(fields["outputs"]), module, function)
        if key in INPLACE:
            self._write(node, fields["outputs"])
        else:
            self._append(node)

    def live_nodes(self, outputs: Sequence[str]) -> tuple[Node, ...]:
        """Return the nodes that the outputs depend on; results that no node reads become None."""
        wanted, live = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.isdisjoint(node.outputs):
                continue
            wanted.update(node.references())
            read = tuple(name if name in wanted else None for name in node.outputs)
            live.append(replace(node, outputs=read))
        return tuple(reversed(live))

    def _append(self, node: Node) -> None:
        read = (name for name in node.references() if name in self._metas)
        viewed = next(read, None) if node.op in VIEWS else None
        for name in filter(None, node.outputs):
            self._aliases.add(name, viewed)
        self.nodes.append(node)

    def _write(self, node: Node, outputs: Value) -> None:
        """Add the pure form of a node that writes its result into its first argument."""
        target, (result, *others) = next(iter(node.inputs.values())), node.outputs
        if not isinstance(target, Ref) or target.name not in self._metas or not result or others:
            raise outputs.refuse("must be one result of an operator that writes a tensor in place")
        stored = self._stored.get(self._aliases.memory(target.name))
        if stored is None:
            self.nodes.append(node)
            self._aliases.write(target.name, result)
        elif stored.endswith("num_batches_tracked"):  # batch norm's counter, used only in training
            self._aliases.rename(result, target.name)
        else:
            raise unsupported(
                f"{node.op}_ in {describe(node.module)} overwrites {stored!r}, but Narrows needs a "
                "network that keeps its state. Exporting after `model.eval()` often helps."
            )

    def _outputs(self, entries: Value) -> tuple[str | None, ...]:
        names: list[str | None] = []
        for entry in entries.items(MAX_OUTPUTS):
            kind, content = entry.union()
            if kind == "as_tensor":
                names.append(self._define(content.fields("name")["name"], self._metas))
            elif kind == "as_tensors":
                tensors = content.items(MAX_OUTPUTS)
                names += [
                    self._define(item.fields("name")["name"], self._metas) for item in tensors
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
        return text

    def _use(self, name: Value, kind: Collection[str]) -> str:
        text = name.text(NAME)
        if text not in self._defined or text not in kind:
            raise name.refuse(f"reads {text}, which is not defined there")
        return text


def read_origin(metadata: Value) -> tuple[Sequence[tuple[str, str]], str]:
    """Return the modules that a node is made in, as (path, class), and the function called.

    The stack is a text such as `L__self__,,pkg.Net;L__self__.conv,conv,torch.nn.Conv2d`, with the
    network itself first; a strict export has numbers for keys. Other texts tell of no module. A
    class made within a function has no name that could be looked up, so it is left out.
    """
    texts = metadata.table(_FREE_TEXT)
    stack, function = (
        texts[name].text(_FREE_TEXT) if name in texts else ""
        for name in ("nn_module_stack", "torch_fn")
    )
    entries = [tuple(entry.split(",", 2)) for entry in stack.split(";")]
    modules = [
        (module_path(entry[1]), type_name(entry[2]) if _MODULE.fullmatch(entry[2]) else "")
        for entry in entries
        if len(entry) == 3
        and _STACK_KEY.fullmatch(entry[0])
        and _MODULE.fullmatch(module_path(entry[1]))
    ]
    name = function_name(function.partition(";")[2])
    return modules or [("", "")], name if _MODULE.fullmatch(name) else ""


def describe(module: str) -> str:
    return f"module {module!r}" if module else "the network itself"
