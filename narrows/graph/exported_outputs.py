"""Holds what torch exported against the module: it must compute the same on the example inputs.

torch.export and its decompositions have faults, such as a weight of a loss that is dropped.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from narrows.graph.trace_errors import TraceError, arguments
from narrows.graph.tracing import in_eval_mode, unwrapped

TOLERANCE = 1e-3
"""The largest deviation, relative to the largest output; in half precision its square root."""


def outputs_of(
    module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str] = ()
) -> list[Tensor]:
    """Return the tensors among a module's outputs in eval mode, in order, from nested collections.

    It takes the inputs by `names`, if there are any. The module stays as it is, also what it counts
    or keeps: a copy runs, with the same parameters.

    >>> outputs_of(nn.Softplus(beta=2), (torch.zeros(1),))  # log(2) / 2
    [tensor([0.3466])]
    """
    module = unwrapped(module)
    shared = {id(parameter): parameter for parameter in module.parameters()}
    with in_eval_mode(module):
        twin = copy.deepcopy(module, shared)
        with torch.no_grad():
            args, kwargs = arguments(inputs, names)
            return [x for x in pytree.tree_leaves(twin(*args, **kwargs)) if isinstance(x, Tensor)]


def require_same(expected: Sequence[Tensor], exported: Sequence[Tensor]) -> None:
    """Raise TraceError unless the outputs are the same but for rounding.

    >>> require_same([torch.ones(2)], [torch.ones(2) * 1.5])
    Traceback (most recent call last):
    narrows.graph.trace_errors.TraceError: torch.export wrote a program that computes ...
    """
    for number, (ours, theirs) in enumerate(zip(exported, expected, strict=False), start=1):
        if ours.shape == theirs.shape and _deviation(ours, theirs) <= _tolerance(theirs):
            continue
        raise TraceError(
            "torch.export wrote a program that computes something else than the network: output "
            f"{number} differs on the example inputs. Where the network draws random numbers, or "
            "keeps state from call to call, that is the reason; else it is a fault of torch, often "
            "in one function, such as a weight that it drops: write that function out."
        )


def _deviation(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest deviation of the finite numbers; infinity where others differ."""
    ours, theirs = ours.double(), theirs.double()
    finite = theirs.isfinite()
    if not torch.equal(ours.isfinite(), finite):
        return float("inf")
    scale = theirs[finite].abs().amax().clamp(min=1e-30) if finite.any() else theirs.new_ones(())
    difference = (ours - theirs)[finite].abs()
    return float(difference.amax() / scale) if finite.any() else 0.0


def _tolerance(outputs: Tensor) -> float:
    half = outputs.dtype in (torch.float16, torch.bfloat16)
    return TOLERANCE**0.5 if half else TOLERANCE
