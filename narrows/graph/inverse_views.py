"""The inverses of views: what a tensor is after a view of it was overwritten."""

from collections.abc import Callable, Mapping

from narrows.graph.node import Argument, Node, Ref

Inverse = Callable[[Node, str, str], Node | str | None]
"""(view, value of the whole, new value of the view) → the call whose result is the new whole.

A text is the name of a value that the whole is itself; None says that there is no inverse.
"""

END = 1 << 62
"""An end of a slice beyond every size."""


def _call(op: str, inputs: dict[str, Argument]) -> Node:
    return Node(op, inputs, (None,), "")


def _same(_view: Node, _whole: str, part: str) -> str:
    return part


def _reshaped(_view: Node, whole: str, part: str) -> Node:
    return _call("reshape_as", {"self": Ref(part), "other": Ref(whole)})


def _scattered(op: str) -> Inverse:
    def inverse(view: Node, whole: str, part: str) -> Node:
        rest = {name: argument for name, argument in view.inputs.items() if name != "self"}
        return _call(op, {"self": Ref(whole), "src": Ref(part), **rest})

    return inverse


def _slice(view: Node, whole: str, part: str) -> Node | str:
    start, end, step = (view.inputs.get(name) for name in ("start", "end", "step"))
    everything = end is None or (isinstance(end, int) and end >= END)
    if start in (None, 0) and everything and step in (None, 1):
        return part
    return _scattered("slice_scatter")(view, whole, part)  # type: ignore[return-value]


def _narrow(view: Node, whole: str, part: str) -> Node | None:
    start, length = view.inputs["start"], view.inputs["length"]
    if not isinstance(start, int) or not isinstance(length, int) or start < 0:
        return None
    inputs: dict[str, Argument] = {"self": Ref(whole), "src": Ref(part), "dim": view.inputs["dim"]}
    return _call("slice_scatter", inputs | {"start": start, "end": start + length})


def _swapped(view: Node, _whole: str, part: str) -> Node:
    """Invert a swap of two dimensions by itself."""
    first = next(iter(view.inputs))
    return _call(view.op, {**view.inputs, first: Ref(part)})


def _permute(view: Node, _whole: str, part: str) -> Node | None:
    dims = view.inputs["dims"]
    if not isinstance(dims, list) or not all(isinstance(d, int) for d in dims):
        return None
    order = [int(d) % len(dims) for d in dims if isinstance(d, int)]
    return _call("permute", {"self": Ref(part), "dims": [order.index(d) for d in range(len(dims))]})


def _movedim(view: Node, _whole: str, part: str) -> Node:
    source, destination = view.inputs["source"], view.inputs["destination"]
    return _call(view.op, {"self": Ref(part), "source": destination, "destination": source})


def _none(_view: Node, _whole: str, _part: str) -> None:
    return None


INVERSES: Mapping[str, Inverse] = {
    **dict.fromkeys(
        "alias detach dropout feature_dropout alpha_dropout feature_alpha_dropout".split(), _same
    ),
    **dict.fromkeys("view _unsafe_view view_as unflatten.int".split(), _reshaped),
    **dict.fromkeys("squeeze squeeze.dim squeeze.dims unsqueeze".split(), _reshaped),
    **dict.fromkeys("t mT numpy_T transpose.int swapaxes swapdims".split(), _swapped),
    "permute": _permute,
    "movedim.int": _movedim,
    "movedim.intlist": _movedim,
    "slice.Tensor": _slice,
    "narrow": _narrow,
    "select.int": _scattered("select_scatter"),
    **dict.fromkeys(
        "expand expand_as split.Tensor split_with_sizes chunk unbind.int".split(), _none
    ),
}
"""Operators whose results always share memory with their argument, or compute the same as if."""
