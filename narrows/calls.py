"""How a network is called with a batch: by position, or by the names of its inputs."""

import inspect

from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.graph.tracing import unwrapped
from narrows.inputs import TARGET, InputsError, arrange, numbers
from narrows.loaded import TARGET_NAMES, BatchError, Loaded


def network_of(
    model: nn.Module | ExportedProgram, batch: Loaded, *, takes_targets: bool = False
) -> Network:
    """Return the network of a module that is called with this batch, or of a program.

    Inputs with names of their own are keyword arguments. `takes_targets` says that the module
    returns its loss. Raises TraceError; see `from_export.as_network`.

    >>> import torch
    >>> batch = Loaded({"x2": torch.ones(2, 3), "x1": torch.ones(2, 3)}, torch.ones(2))
    >>> [spec.name for spec in network_of(nn.PairwiseDistance(), batch).inputs]
    ['x2', 'x1']
    """
    if isinstance(model, ExportedProgram):
        return as_network(model, ())
    names = _keywords(model, batch)
    inputs = tuple(batch.inputs.values())
    if takes_targets:
        inputs = (*inputs, batch.targets)
        names = names and [*names, batch.target or _target_keyword(model, names)]
    return as_network(model, inputs, names)


def in_order(
    network: Network, batch: Loaded, which: str, *, takes_targets: bool = False
) -> tuple[Tensor, ...]:
    """Return what each of the network's inputs reads; raise BatchError, with `which` batch it is.

    `takes_targets` says that the network returns its loss.
    """
    names = [spec.name for spec in network.inputs]
    target = (batch.target or "y", batch.targets) if takes_targets else None
    try:
        return arrange(names, batch.inputs, target)
    except InputsError as error:
        raise BatchError(f"{which}: {error}") from None


def _keywords(model: nn.Module, batch: Loaded) -> list[str]:
    """Return the names by which the module takes the inputs; none if it takes them in order."""
    names = list(batch.inputs)
    if names == numbers(len(names)) or (len(names) == 1 and names[0] not in _parameters(model)):
        return []
    return names


def _target_keyword(model: nn.Module, names: list[str]) -> str:
    """Return the name by which a module that returns its loss takes the targets."""
    rest = [name for name in _parameters(model) if name not in names]
    return next((name for name in TARGET_NAMES if name in rest), rest[-1] if rest else TARGET)


def _parameters(model: nn.Module) -> list[str]:
    return list(inspect.signature(unwrapped(model).forward).parameters)
