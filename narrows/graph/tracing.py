"""`torch.export` of a user's module in eval mode, which leaves the module as it was."""

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils import _pytree as pytree

from narrows.graph.module_types import module_types, name_types
from narrows.graph.trace_errors import TraceError, arguments, reason_of


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
