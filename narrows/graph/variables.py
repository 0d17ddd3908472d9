"""The tensors of a program by their names, and which of them share memory.

A view shares the memory of the tensor that it was taken from; a tensor may have several names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from narrows.graph.node import Node
from narrows.graph.operator_names import VIEWS
from narrows.graph.unsupported import UnsupportedError

MAX_VIEWS = 64
"""The most views of views: each write and each read goes through all of them."""

_OF_EACH = frozenset({"broadcast_tensors", "meshgrid.indexing", "meshgrid"})
"""Operators whose every result is a view of one of their arguments."""


@dataclass(eq=False)
class Variable:
    """A tensor of the source: `value` is the name of its value, computed at `time`.

    A parameter, buffer or constant is `stored` under its user's name. What was overwritten, but not
    in a known way, is `lost`.
    """

    value: str
    view: "View | None" = None
    depth: int = 0
    time: int = 0
    stored: str | None = None
    lost: bool = False

    @property
    def root(self) -> "Variable":
        """The tensor whose memory this one shares."""
        variable = self
        while variable.view is not None:
            variable = variable.view.parent
        return variable


@dataclass(eq=False)
class View:
    """A call whose results share the memory of `parent`."""

    call: Node
    parent: Variable
    results: list[Variable | None] = field(default_factory=list)


class Variables:
    """The tensors by their names, and the names of sizes.

    >>> from narrows.graph.node import Ref
    >>> variables = Variables()
    >>> variables.define("x")
    >>> call = Node("slice.Tensor", {"self": Ref("x"), "dim": 1, "end": 2}, ("y",), "")
    >>> variables.define_results(call, call, 0)
    >>> variables["y"].root is variables["x"]
    True
    """

    def __init__(self) -> None:
        self._tensors: dict[str, Variable] = {}
        self._sizes: dict[str, str] = {}

    def __getitem__(self, name: str) -> Variable:
        return self._tensors[name]

    def get(self, name: str) -> Variable | None:
        return self._tensors.get(name)

    def size(self, name: str) -> str:
        """Return the first name of a size."""
        return self._sizes.get(name, name)

    def define(self, name: str, stored: str | None = None) -> None:
        """Define an input; a parameter, buffer or constant is `stored` under its user's name."""
        self._tensors[name] = Variable(name, stored=stored)

    def bind(self, name: str, other: str) -> None:
        """Define another name of a tensor, or of a size."""
        if other in self._tensors:
            self._tensors[name] = self._tensors[other]
        else:
            self._sizes[name] = self.size(other)

    def define_results(self, node: Node, pure: Node, time: int) -> None:
        """Define the results of a call at `time`; `pure` is the same call of current values.

        Raises UnsupportedError for a view of too many views.
        """
        view = None
        for name, parent in zip(node.outputs, self._parents(node), strict=True):
            if view is None or view.parent is not parent:
                view = View(pure, parent) if parent else None
            variable = None
            if name is not None:
                depth = parent.depth + 1 if parent else 0
                if depth > MAX_VIEWS:
                    raise UnsupportedError(f"{name} is a view of more than {MAX_VIEWS} views")
                variable = self._tensors[name] = Variable(name, view, depth, time)
            if view is not None:
                view.results.append(variable)

    def _parents(self, node: Node) -> Sequence[Variable | None]:
        """Return for each result of a call the tensor that it may be a view of."""
        if node.op not in VIEWS:
            return [None] * len(node.outputs)
        tensors = [v for name in node.references() if (v := self.get(name))]
        if node.op in _OF_EACH and len(tensors) == len(node.outputs):
            return tensors
        return tensors[:1] * len(node.outputs) or [None] * len(node.outputs)
