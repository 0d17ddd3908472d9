"""Why a module can't be exported: what failed, where in the user's code, and what helps."""

import copy
import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

TORCH, NARROWS = Path(torch.__file__).parent, Path(__file__).parents[1]


class TraceError(ValueError):
    """The error for a module that can't be exported; the text says what failed, where, and why."""


def arguments(
    inputs: tuple[Tensor, ...], names: Sequence[str]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return the positional and the keyword arguments of a call with these inputs.

    >>> arguments((torch.zeros(()),), ["mask"])
    ((), {'mask': tensor(0.)})
    """
    return ((), dict(zip(names, inputs, strict=True))) if names else (inputs, {})


def summary(error: BaseException) -> str:
    r"""Return an error's type, the first lines of its text, and where in the user's code it arose.

    >>> summary(ValueError("shapes do not fit\n\n  [2] and [3]\nmore"))
    'ValueError: shapes do not fit [2] and [3]'
    """
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    text = " ".join(line for line in lines[:2] if "TORCH_LOGS" not in line)[:400].rstrip(".")
    return f"{type(error).__name__}: {text}{_at(error)}"


def _at(error: BaseException) -> str:
    place = _place(error)
    return f" (in {place})" if place else ""


def _place(error: BaseException) -> str | None:
    """Return the innermost line of the user's code that led to the error, if there is one."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        ours = path.is_relative_to(TORCH) or path.is_relative_to(NARROWS)
        if not ours and frame.line and frame.name == "forward":
            return f"{path.name}:{frame.lineno}, {frame.name}: {frame.line}"
    return None


def reason_of(
    module: nn.Module, inputs: tuple[Tensor, ...], error: Exception, names: Sequence[str] = ()
) -> str:
    """Return why `error` came: the module itself fails, or torch can't export what it does."""
    args, kwargs = arguments(inputs, names)
    try:
        with torch.no_grad():
            # a copy, so that what it counts or keeps stays as it was
            copy.deepcopy(module)(*args, **kwargs)
    except Exception as failure:  # the user's own code may raise any type
        given = ", ".join(f"{_name(x.dtype)} {list(x.shape)}" for x in inputs)
        text = f"the network itself can't run on inputs {given}: {summary(failure)}."
        own = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
        if isinstance(failure, TypeError) and "argument" in str(failure):
            call = ", ".join(f"{name}=…" for name in names) or "*inputs"
            text += f" It is called as net({call}): wrap it in a module whose forward takes these."
        elif own and inputs and inputs[0].dtype != own:
            text += f" It computes in {_name(own)}: should the inputs be converted?"
        return text
    if unknown := re.search(r"Found <class '([^']+)'> in output", str(error)):
        return (
            f"the network returns a {unknown[1]}, which torch.export does not know: let it return "
            "tensors, tuples, lists and dictionaries of tensors, or a dataclass that is registered "
            "by torch.export.register_dataclass (transformers: net.config.use_cache = False)."
        )
    if fixed := re.search(r"speciali\w+ (?:it to be a constant \(|value of )(\d+)", str(error)):
        return (
            f"as torch.export sees it, the network works for batches of {fixed[1]} only, or its "
            "inputs lack the dimension of the batch, the first. If it must be so, export it for "
            "that size (torch.export)."
        )
    if isinstance(error, GuardOnDataDependentSymNode):
        return (
            "torch.export can't export it: how it goes on, or the size of a tensor, depends on "
            f"values{_at(error)}. Export the part before that."
        )
    return (
        f"torch.export can't export it: {summary(error)}. It follows no branches on values, no "
        "code beyond tensors, and for batches of any size no code that needs a certain one."
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
