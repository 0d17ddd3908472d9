"""`torch.export` of a user's module in eval mode, which leaves the module as it was."""

import contextlib
import copy
import inspect
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils import _pytree as pytree

from narrows.graph.module_types import module_types, name_types

TORCH, NARROWS = Path(torch.__file__).parent, Path(__file__).parents[1]


class TraceError(ValueError):
    """The error for a module that can't be exported; the text says what failed, where, and why."""


def trace(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: Sequence[str] = (),
    *,
    free_batch: bool = True,
) -> ExportedProgram:
    """Return the program of `module` in eval mode; with `free_batch` for batches of any size.

    `inputs` are example inputs, which the module takes by `names`, if there are any. Raises
    TraceError where torch can't export the module, with the
    module's own error where it does not run on these inputs at all.
    """
    module = unwrapped(module)
    with in_eval_mode(module), quiet():
        try:
            if free_batch:
                rows = tuple(torch.cat([x, x]) if len(x) == 1 else x for x in inputs)  # not fixed 1
                args, kwargs = arguments(rows, names)
                free = _free_batch(module, args, kwargs)
                program = torch.export.export(module, args, kwargs, dynamic_shapes=free)
            else:
                program = torch.export.export(module, *arguments(inputs, names))
            name_types(program, module_types(module))
            return program
        except Exception as error:  # torch, and the module, may raise any type
            raise TraceError(reason_of(module, inputs, error, names)) from error


def arguments(
    inputs: tuple[Tensor, ...], names: Sequence[str]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return the positional and the keyword arguments of a call with these inputs.

    >>> arguments((torch.zeros(()),), ["mask"])
    ((), {'mask': tensor(0.)})
    """
    return ((), dict(zip(names, inputs, strict=True))) if names else (inputs, {})


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module within wrappers that compute the same: DataParallel, torch.compile.

    Raises TraceError for TorchScript, which torch.export can't follow, and for lazy modules that
    have no weights yet.

    >>> net = nn.Linear(3, 2)
    >>> unwrapped(nn.DataParallel(torch.compile(net))) is net
    True
    """
    while True:
        if isinstance(module, DataParallel | DistributedDataParallel):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
            module = inner
        else:
            break
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = f"its module {name!r} is" if name else "it is"
            raise TraceError(
                f"torch.export can't export it: {what} TorchScript (torch.jit). Pass the module "
                "that was scripted or traced."
            )
        if any(map(torch.nn.parameter.is_lazy, part.parameters(recurse=False))):
            raise TraceError(
                f"its module {name!r} has no weights yet: call the network on a batch first."
            )
    return module


@contextlib.contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Put the module in eval mode; at the end each of its modules is in its own mode again.

    So a frozen batch norm stays frozen, whatever ends the block. What an overridden `train` does
    besides is undone by a call of it, and `requires_grad` is restored, too.

    >>> net = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval())
    >>> with in_eval_mode(net):
    ...     print([part.training for part in net.modules()])
    [False, False, False]
    >>> [part.training for part in net.modules()]
    [True, True, False]
    """
    modes = [(part, part.training) for part in module.modules()]
    trainable = [(tensor, tensor.requires_grad) for tensor in module.parameters()]
    try:
        if any(training for _, training in modes):
            module.eval()
        yield
    finally:
        for part, training in modes:
            if part.training != training and type(part).train is not nn.Module.train:
                part.train(training)
        for part, training in modes:
            part.training = training
        for tensor, required in trainable:
            tensor.requires_grad_(required)


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


def _free_batch(
    module: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Return torch.export's dynamic shapes: the first dimension of every input is free."""
    batch = torch.export.Dim("batch", min=2)
    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    free: dict[str, Any] = pytree.tree_map(lambda _: {0: batch}, dict(bound))
    return free


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence torch: it warns of its own deprecations, and logs and prints graphs, then raises."""
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
