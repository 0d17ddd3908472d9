"""From a module, or a program that torch exported, to a `Network`; only for trusted code.

Uploads are not read here, but by `worker.formats.pt2`.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.graph.bounds import OutOfBoundsError
from narrows.graph.exported_calls import unknown_operators
from narrows.graph.exported_outputs import outputs_of, require_same
from narrows.graph.exported_program import ProgramReader
from narrows.graph.network import Network
from narrows.graph.trace_errors import TraceError, reason_of
from narrows.graph.tracing import quiet, trace
from narrows.graph.unsupported import UnsupportedError

MAX_DECOMPOSITIONS = 4
"""How often torch may write a program in simpler operators: those can have such, too."""


def as_network(
    model: nn.Module | ExportedProgram, inputs: tuple[Tensor, ...], names: Sequence[str] = ()
) -> Network:
    """Return the network of a module, exported in eval mode with a free batch, or of a program.

    `inputs` is an example batch, of any size, which the module takes by `names`, if there are any;
    the tensors are copied. Raises TraceError for an operator that Narrows does not know, for code
    that torch.export can't follow, and where what it exported computes something else than the
    module.

    >>> network = as_network(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(2, 3),))
    >>> [(node.op, node.module) for node in network.nodes], list(network.tensors)
    ([('linear', '0'), ('relu', '1')], ['0.weight', '0.bias'])
    >>> network.inputs[0].shape[1], network.fixed_batch
    (3, None)
    """
    program = model if isinstance(model, ExportedProgram) else trace(model, inputs, names)
    try:
        network, _, decomposed = read_program(program)
    except UnsupportedError as error:
        raise TraceError(str(error)) from error
    if decomposed:
        warnings.warn(as_decomposed(decomposed), stacklevel=3)
    if isinstance(model, nn.Module):
        _require_same_outputs(model, inputs, names, network)
    return network


def read_program(program: ExportedProgram) -> tuple[Network, ExportedProgram, list[str]]:
    """Return the network of a program, the program that it was read from, and what differs.

    Where Narrows lacks operators, torch writes them in simpler ones; these are listed by name.
    Raises UnsupportedError, about the program as it is, where that does not help.
    """
    decomposed: list[str] = []
    refusals: list[UnsupportedError] = []
    while True:
        try:
            return ProgramReader(program).read(), program, decomposed
        except UnsupportedError as error:
            refusals.append(error)
        if refusals[-1].final or len(refusals) > MAX_DECOMPOSITIONS:
            raise refusals[0]
        missing = unknown_operators(program.graph_module)
        try:
            with quiet():
                table = torch.export.default_decompositions()
                simpler = {target: table[target] for target in missing if target in table}
                program = program.run_decompositions(simpler)
        except Exception as error:  # torch raises many types
            raise refusals[0] from error
        decomposed += sorted(map(str, missing)) or ["writes into tensors"]


def as_decomposed(operators: Sequence[str]) -> str:
    """Return a sentence that says which operators torch has written in simpler ones.

    >>> as_decomposed(["aten.lerp.Scalar"])
    'torch wrote aten.lerp.Scalar in simpler operators, since Narrows does not follow it'
    """
    what = "them" if len(operators) > 1 else "it"
    names = ", ".join(operators)
    return f"torch wrote {names} in simpler operators, since Narrows does not follow {what}"


def _require_same_outputs(
    module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], network: Network
) -> None:
    own = [spec.name for spec in network.inputs]
    in_order = [inputs[names.index(name)] for name in own] if names else inputs
    try:
        expected = outputs_of(module, inputs, names)
        with torch.no_grad(), inputs[0].device:
            exported = network(*in_order)
    except OutOfBoundsError as error:
        raise TraceError(f"an operator's arguments are out of bounds: {error}") from error
    except Exception as error:  # the user's own code may raise any type
        raise TraceError(reason_of(module, inputs, error, names)) from error
    require_same(expected, exported)
