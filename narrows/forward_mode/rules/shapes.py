"""Operators that move, select or sum numbers: on both halves at once, a dimension further on."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, constant, map_linearly, substitute, varying
from narrows.forward_mode.rules.registry import rule
from narrows.graph import operators

_DIMENSIONS = frozenset({"dim", "dim0", "dim1", "dims", "source", "destination", "start_dim"})
_FIRST = {"dim": 0, "start_dim": 0}
"""The dimension that the schemas mean where a call names none."""


def shifted(dim: Any) -> Any:
    """Return the dimension of both halves that is dimension `dim` of the value; lists alike.

    >>> shifted(0), shifted(-1), shifted([1, -2])
    (1, -1, [2, -2])
    """
    if isinstance(dim, list):
        return [shifted(item) for item in dim]
    return dim + 1 if dim >= 0 else dim


def run_on_both(op: str, arguments: Arguments) -> Any:
    """Run an operator once, with `both` in place of every dual number."""
    result = operators.run(op, substitute(arguments, lambda dual: dual.both))
    return _unpack(result) if isinstance(result, Tensor) else [_unpack(both) for both in result]


def _unpack(both: Tensor) -> Dual | Tensor:
    return Dual(both) if both.is_floating_point() else both[0]  # integers have no derivative


# --- the same call for both -----------------------------------------------------------------------

rule(
    *"clone contiguous div.Scalar mT mul.Scalar neg pixel_shuffle pixel_unshuffle to.device "
    "to.dtype to.dtype_layout _to_copy".split()
)(run_on_both)


@rule("alias", "lift_fresh_copy")
@rule("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def _identity(_: str, arguments: Arguments) -> Any:
    return next(iter(arguments.values()))


# --- calls that name dimensions -------------------------------------------------------------------


@rule(
    *"chunk flatten.using_ints flip movedim.int movedim.intlist narrow select.int slice.Tensor "
    "split.Tensor split_with_sizes squeeze.dim squeeze.dims transpose.int unbind.int unsqueeze "
    "cumsum index_select".split()
)
def _along_dimensions(op: str, arguments: Arguments) -> Any:
    if not arguments["self"].shape:  # its dimension 0 is its last one, too
        return map_linearly(op, arguments)
    if op not in ("flip", "squeeze.dims", "movedim.int", "movedim.intlist"):
        name = "start_dim" if op == "flatten.using_ints" else "dim"
        name = "dim0" if op == "transpose.int" else name
        arguments = {**arguments, name: arguments.get(name, 0)}
    if op == "flatten.using_ints" and arguments.get("end_dim", -1) >= 0:
        arguments = {**arguments, "end_dim": arguments["end_dim"] + 1}
    moved = {n: shifted(item) if n in _DIMENSIONS else item for n, item in arguments.items()}
    return run_on_both(op, moved)


@rule("cat", "stack")
def _join(op: str, arguments: Arguments) -> Any:
    parts = [part if isinstance(part, Dual) else constant(part) for part in arguments["tensors"]]
    if op == "cat":  # an empty part may have another rank
        parts = [part for part in parts if part.both.numel()] or parts[:1]
    if not parts[0].shape:
        return map_linearly(op, {**arguments, "tensors": parts})
    return run_on_both(op, {"tensors": parts, "dim": shifted(arguments.get("dim", 0))})


@rule("sum", "mean", "sum.dim_IntList", "mean.dim")
def _reduce(op: str, arguments: Arguments) -> Any:
    rank = len(arguments["self"].shape)
    if rank == 0:
        return map_linearly(op, arguments)
    dims = arguments.get("dim") or range(rank)
    over = [shifted(dim) for dim in dims]
    name = {"sum": "sum.dim_IntList", "mean": "mean.dim"}.get(op, op)
    return run_on_both(name, {"self": arguments["self"], **arguments, "dim": over})


# --- calls that name all dimensions or sizes ------------------------------------------------------

_Change = Callable[[Tensor, Arguments], Tensor]


def _resized(both: Tensor, arguments: Arguments) -> Tensor:
    size: list[int] = arguments["shape" if "shape" in arguments else "size"]
    return both.reshape(2, *size)


def _expanded(both: Tensor, arguments: Arguments) -> Tensor:
    size = arguments["size"]
    return aligned(both, len(size)).expand(2, *size)


def _permuted(both: Tensor, arguments: Arguments) -> Tensor:
    rank = both.dim() - 1
    return both.permute(0, *(dim % rank + 1 for dim in arguments["dims"]))


def _reversed(both: Tensor, _: Arguments) -> Tensor:
    return both.permute(0, *range(both.dim() - 1, 0, -1))


def _squeezed(both: Tensor, _: Arguments) -> Tensor:
    return both.reshape(2, *(size for size in both.shape[1:] if size != 1))


def _unflattened(both: Tensor, arguments: Arguments) -> Tensor:
    dim = shifted(arguments["dim"]) % both.dim()
    return both.reshape(*both.shape[:dim], *arguments["sizes"], *both.shape[dim + 1 :])


_CHANGES: dict[str, _Change] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), _resized),
    "expand": _expanded,
    "permute": _permuted,
    **dict.fromkeys(("t", "numpy_T"), _reversed),
    "squeeze": _squeezed,
    "unflatten.int": _unflattened,
}


@rule(*_CHANGES)
def _change_shape(op: str, arguments: Arguments) -> Any:
    return Dual(_CHANGES[op](arguments["self"].both, arguments))


@rule("expand_as", "view_as")
def _as_other(op: str, arguments: Arguments) -> Any:
    other = arguments["other"]
    shape = (other.value if isinstance(other, Dual) else other).shape
    if not isinstance(arguments["self"], Dual):
        return operators.run(op, substitute(arguments, lambda dual: dual.value))
    change = _expanded if op == "expand_as" else _resized
    return Dual(change(arguments["self"].both, {"size": list(shape)}))


@rule("repeat", "roll")
def _move_all(op: str, arguments: Arguments) -> Any:
    x, rank = arguments["self"], len(arguments["self"].shape)
    if op == "repeat" and len(arguments["repeats"]) == rank:
        return run_on_both(op, {"self": x, "repeats": [1, *arguments["repeats"]]})
    if op == "roll" and rank and arguments.get("dims"):
        return run_on_both(op, {**arguments, "dims": shifted(list(arguments["dims"]))})
    return map_linearly(op, arguments)


@rule("index.Tensor")
def _index(op: str, arguments: Arguments) -> Any:
    """Select along one dimension; several index tensors may move dimensions to the front."""
    selected = [index for index in arguments["indices"] if index is not None]
    if varying(arguments) != {"self"} or len(selected) != 1:
        return map_linearly(op, arguments)
    return run_on_both(op, {**arguments, "indices": [None, *arguments["indices"]]})


def aligned(both: Tensor, rank: int) -> Tensor:
    """View both halves so that the value has `rank` dimensions, the new ones in front.

    Then broadcasting does not meet the leading dimension.

    >>> import torch
    >>> aligned(torch.zeros(2, 3), 2).shape
    torch.Size([2, 1, 3])
    """
    missing = rank + 1 - both.dim()
    return both.view(2, *(1,) * missing, *both.shape[1:]) if missing > 0 else both
