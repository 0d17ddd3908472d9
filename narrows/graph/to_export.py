"""From a network back to an archive: `torch.export` of a module that runs the program.

Tensors and calls belong to the same modules as in the upload. So the file has the upload's state
dict, and each node the name of its module.

See docs/architecture.md, "The network".
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from narrows.graph import eval_mode
from narrows.graph.module_types import name_types
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.operators import OPERATORS, SYMBOLIC
from narrows.graph.output_tree import flat, nested
from narrows.graph.saving import save_program
from narrows.graph.shapes import Shapes, input_shapes
from narrows.graph.trace_errors import summary
from narrows.graph.tracing import quiet

aten: Any = torch.ops.aten


class BuildError(ValueError):
    """The error for a network that can't be written; the text gives the reason."""


def save(network: Network, path: Path, shapes: Shapes | None = None) -> None:
    """Write the network as an archive that `torch.export.load` opens; free dimensions stay free.

    `shapes` are example shapes of its inputs, by default those of `input_shapes`. The operators are
    torch's own, in eval mode. The module takes the network's inputs in order, and returns its
    outputs nested as the upload's. Raises BuildError where torch can't export it, and OSError where
    the file can't be written.
    """
    sizes = [shapes.of(x.name) for x in network.inputs] if shapes else input_shapes(network)
    inputs = tuple(
        torch.zeros(shape, dtype=spec.dtype)
        for spec, shape in zip(network.inputs, sizes, strict=True)
    )
    try:
        module = NetworkModule(network.map_tensors(Tensor.cpu))
        module.forward = _naming_inputs(network, module.forward)  # type: ignore[method-assign]
        with quiet():
            program = torch.export.export(module, inputs, dynamic_shapes=_free_dimensions(network))
        name_types(program, network.modules)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # it has paths of files on this machine
        save_program(program, path)
    except OSError:
        raise
    except Exception as error:  # torch raises many types
        raise BuildError(f"torch can't export the network: {summary(error)}") from error


def _free_dimensions(network: Network) -> tuple[dict[int, Any], ...]:
    """Return the free dimensions of each input.

    torch.export derives from the program which sizes they can have, and which are equal.
    """
    free = torch.export.Dim.DYNAMIC
    return tuple(
        {axis: free for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in network.inputs
    )


def _naming_inputs(network: Network, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with the names of the inputs in its signature, for torch.export."""

    def named(*inputs: Tensor) -> Any:
        return forward(*inputs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(spec.name, kind) for spec in network.inputs]
    named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return named


class _Scope(nn.Module):
    """A module of the upload: it owns its tensors and makes its calls."""

    def forward(self, call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        return call(**arguments)


class NetworkModule(nn.Module):
    """A module that runs a network, with the state dict and the modules of the upload.

    It is always in eval mode: batch norm is frozen and dropout off. It holds the network's own
    tensors. Raises KeyError for a name that no module can have, such as that of a method.

    >>> from narrows.example import two_neurons
    >>> module = NetworkModule(two_neurons()[0])
    >>> list(module.state_dict()), module(torch.tensor([[10.0]])).item()
    (['hidden.weight', 'output.weight'], 30.0)
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.narrows_program = replace(network, tensors={})
        stored = {
            name: nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
            if name in network.parameters
            else tensor
            for name, tensor in network.tensors.items()
        }
        for name in stored:
            self._register(name, stored[name])
        for alias, name in network.aliases.items():
            self._register(alias, stored[name])
        for node in network.nodes:
            self._scope(node.module.split("."))

    def forward(self, *inputs: Tensor) -> Any:
        """Take the network's inputs in order; return its outputs, nested as the upload's."""
        network = self.narrows_program
        tensors = {name: self._tensor(name) for name in network.leaves.values()}
        outputs = network.execute(*inputs, call=self._call, tensors=tensors)
        return nested(flat(len(outputs)) if network.nesting is None else network.nesting, outputs)

    def _call(self, _index: int, node: Node, arguments: dict[str, Any]) -> Any:
        """Make the call in the module that made it in the upload."""
        operator = _operator(node)
        if not node.module:
            return operator(**arguments)
        return self.get_submodule(node.module)(operator, arguments)

    def _scope(self, path: Iterable[str]) -> nn.Module:
        """Return the module at `path`; create it where there is none."""
        scope: nn.Module = self
        for name in filter(None, path):
            if name not in scope._modules:
                scope.add_module(name, _Scope())
            scope = scope.get_submodule(name)
        return scope

    def _register(self, name: str, tensor: Tensor) -> None:
        *path, attribute = name.split(".")
        owner = self._scope(path)
        if isinstance(tensor, nn.Parameter):
            owner.register_parameter(attribute, tensor)
        else:
            persistent = name not in self.narrows_program.transient
            owner.register_buffer(attribute, tensor, persistent=persistent)

    def _tensor(self, name: str) -> Tensor:
        """Look a tensor up, at each call: training and torch.export replace tensors."""
        path, _, attribute = name.rpartition(".")
        tensor: Tensor = getattr(self.get_submodule(path), attribute)
        return tensor


def _operator(node: Node) -> Callable[..., Any]:
    """Return torch's own operator, but in eval mode, and `reshape` for a view."""
    if node.op in SYMBOLIC:
        function = SYMBOLIC[node.op]
        return lambda **sizes: function(*sizes.values())
    if node.op in _IN_EVAL_MODE:
        return _IN_EVAL_MODE[node.op]
    return OPERATORS[node.op]


def _with(op: str, **fixed: Any) -> Callable[..., Any]:
    return lambda **arguments: OPERATORS[op](**{**arguments, **fixed})


def _batch_norm(**arguments: Any) -> Any:
    own = arguments["running_mean"] is None  # then, as torch does, by the batch's statistics
    return aten.batch_norm(**{**arguments, "training": own})


def _instance_norm(**arguments: Any) -> Any:
    own = arguments["running_mean"] is None
    return aten.instance_norm(**{**arguments, "use_input_stats": own})


def _functional_batch_norm(**arguments: Any) -> Any:
    del arguments["training"]
    result = aten._native_batch_norm_legit_no_training(**arguments)
    return *result, arguments["running_mean"], arguments["running_var"]


_IN_EVAL_MODE: dict[str, Callable[..., Any]] = {
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "_native_batch_norm_legit": _with("_native_batch_norm_legit", training=False),
    "_native_batch_norm_legit_functional": _functional_batch_norm,
    **{
        op: _with(op, train=False)
        for op in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
    },
    **{
        op: _with(op, train=False)
        for op in ("gru.input", "lstm.input", "rnn_relu.input", "rnn_tanh.input")
    },
    "rrelu": _with("rrelu", training=False),
    "native_dropout": _with("native_dropout", train=False),
    "scaled_dot_product_attention": _with("scaled_dot_product_attention", dropout_p=0.0),
    "to.device": eval_mode.REWRITES["to.device"],  # its device was dropped
    "view": eval_mode.REWRITES["view"],
    "_unsafe_view": eval_mode.REWRITES["_unsafe_view"],
}
"""Operators that would not be in eval mode with the arguments in the upload."""
