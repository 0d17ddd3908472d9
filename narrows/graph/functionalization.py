"""Functionalization: a program that writes into tensors, in place, becomes one that does not.

A plain export keeps the writes of its source, such as `mask[:2].fill_(1)`. A written tensor gets a
new value; what it is a view of gets one, too, by the inverse of the view; and every other view of
that is taken anew, where something reads it afterwards.

See docs/architecture.md, "The network".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import torch

from narrows.graph.inverse_views import INVERSES
from narrows.graph.node import Argument, Node, Ref, as_ref
from narrows.graph.operators import INPLACE
from narrows.graph.unsupported import UnsupportedError
from narrows.graph.variables import Variable, Variables, View

MAX_NODES = 100_000


class Functionalization:
    """The calls so far, none of which writes; and the current value of each of the source's names.

    `dtypes` are the number types of the source's tensors by name.

    >>> program = Functionalization({"x": torch.float32, "y": torch.float32})
    >>> program.define("x")
    >>> program.add(Node("slice.Tensor", {"self": Ref("x"), "dim": 1, "end": 2}, ("y",), ""))
    >>> program.add(Node("relu_", {"self": Ref("y")}, ("z",), ""))
    >>> program.read("x")
    Ref(name='x.1')
    >>> [(node.op, *node.references(), *node.outputs) for node in program.nodes]
    [('slice.Tensor', 'x', 'y'), ('relu', 'y', 'z'), ('slice_scatter', 'x', 'z', 'x.1')]
    """

    def __init__(self, dtypes: Mapping[str, torch.dtype | None]) -> None:
        self.nodes: list[Node] = []
        self._dtypes = dtypes
        self._variables = Variables()
        self._time = 0
        self._numbers = count(1)

    def define(self, name: str, stored: str | None = None) -> None:
        """Define an input; a parameter, buffer or constant is `stored` under its user's name."""
        self._variables.define(name, stored)

    def bind(self, name: str, other: str) -> None:
        """Define another name of a tensor, or of a size."""
        self._variables.bind(name, other)

    def read(self, name: str) -> Ref:
        """Return the current value of a tensor; take a view anew if need be.

        A name that is no tensor, but a size, is its own value. Raises UnsupportedError where the
        value is not known.
        """
        if variable := self._variables.get(name):
            return Ref(self._current(variable, name))
        return Ref(self._variables.size(name))

    def add(self, node: Node) -> None:
        """Add a call of the source, in its names; its operator may be one of `INPLACE`.

        Raises UnsupportedError where it overwrites a stored tensor, or reads what is not known.
        """
        if node.op == "sym_size.int":  # a write changes no size
            self.nodes.append(self._with_last_values(node))
            return
        pure = replace(node, inputs={k: self._resolved(a) for k, a in node.inputs.items()})
        if node.op in INPLACE:
            self._write(node, replace(pure, op=INPLACE[node.op]))
        else:
            self._emit(pure)
            self._variables.define_results(node, pure, self._time)

    def live_nodes(self, outputs: Sequence[str]) -> tuple[Node, ...]:
        """Return the calls that the outputs depend on; results that no call reads become None."""
        wanted, live = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.isdisjoint(node.outputs):
                continue
            wanted.update(node.references())
            read = tuple(name if name in wanted else None for name in node.outputs)
            live.append(replace(node, outputs=read))
        return tuple(reversed(live))

    def _resolved(self, argument: Argument) -> Argument:
        if isinstance(argument, Ref):
            return self.read(argument.name)
        return [self._resolved(a) for a in argument] if isinstance(argument, list) else argument

    def _with_last_values(self, node: Node) -> Node:
        def last(argument: Argument) -> Argument:
            known = isinstance(argument, Ref) and self._variables.get(argument.name)
            return Ref(known.value) if known else argument

        return replace(node, inputs={name: last(a) for name, a in node.inputs.items()})

    def _emit(self, *nodes: Node) -> None:
        self.nodes += nodes
        if len(self.nodes) > MAX_NODES:
            raise UnsupportedError(f"the program has more than {MAX_NODES} calls")

    # --- reads ------------------------------------------------------------------------------------

    def _current(self, variable: Variable, name: str) -> str:
        """Return the name of the current value; take the view anew if its memory was written."""
        root = variable.root
        view = variable.view
        if root.lost or (view and variable.time < root.time and view.call.op not in INVERSES):
            raise UnsupportedError(
                f"{name} is read after it was overwritten, perhaps, under another name: copy it "
                "with clone() before"
            )
        if view is not None and variable.time < root.time:
            again = self._taken_anew(view, self._current(view.parent, name))
            self._emit(again)
            for result, value in zip(view.results, again.outputs, strict=True):
                if result is not None and value is not None:
                    result.value, result.time = value, self._time
        return variable.value

    def _taken_anew(self, view: View, parent: str) -> Node:
        first = next(name for name, a in view.call.inputs.items() if isinstance(a, Ref))
        outputs = tuple(name and self._new(name) for name in view.call.outputs)
        return replace(view.call, inputs={**view.call.inputs, first: Ref(parent)}, outputs=outputs)

    def _new(self, name: str) -> str:
        """Return a name that no source has: a source's names have no dots."""
        return f"{name.partition('.')[0]}.{next(self._numbers)}"

    # --- writes -----------------------------------------------------------------------------------

    def _write(self, node: Node, pure: Node) -> None:
        """Add the pure form of a call that writes its result into its first argument."""
        target = as_ref(next(iter(node.inputs.values()))).name
        (result,) = node.outputs
        if result is None:
            raise UnsupportedError(f"what {node.op} writes has no name")
        variable = self._variables[target]
        stored = variable.root.stored
        self.bind(result, target)
        if stored is None:
            self._emit(*self._in_own_type(node, pure, target))
            self._time += 1
            self._assign(variable, result, node.module)
        elif not stored.endswith("num_batches_tracked"):  # batch norm's counter, for training only
            where = f"module {node.module!r}" if node.module else "the network itself"
            raise UnsupportedError(
                f"{node.op} in {where} overwrites {stored!r}, but Narrows needs a network that "
                "keeps its state. Exporting after `model.eval()` often helps",
                final=True,
            )

    def _in_own_type(self, node: Node, pure: Node, target: str) -> Iterator[Node]:
        """Yield the pure call, and a cast to the number type of its target where it may differ."""
        own, others = self._dtypes.get(target), map(self._dtypes.get, node.references())
        if all(dtype in (own, None) for dtype in others):
            yield pure
            return
        (result,) = node.outputs
        wide = self._new(str(result))
        yield replace(pure, outputs=(wide,))
        yield Node(
            "type_as", {"self": Ref(wide), "other": self.read(target)}, (result,), node.module
        )

    def _assign(self, variable: Variable, value: str, module: str) -> None:
        """Give a tensor a new value, and what it is a view of, too."""
        view = variable.view
        if view is not None:
            inverse = INVERSES.get(view.call.op)
            parent = self._current(view.parent, value) if inverse else ""
            call = inverse(view.call, parent, value) if inverse else None
            if call is None:  # it may be a view or a copy: what it was taken from is not known
                view.parent.root.lost, variable.view = True, None
            elif isinstance(call, str):
                self._assign(view.parent, call, module)
            else:
                whole = self._new(view.parent.value)
                self._emit(replace(call, outputs=(whole,), module=module))
                self._assign(view.parent, whole, module)
        variable.value, variable.time = value, self._time


def is_made(name: str) -> bool:
    """Tell whether a value is not one of the source, but stands for a write.

    >>> is_made("x.1"), is_made("block1.x"), is_made("x")
    (True, False, False)
    """
    return name.rpartition(".")[2].isdigit()
