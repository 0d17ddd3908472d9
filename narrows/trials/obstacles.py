"""What can't be trained, with the layer and the reason.

See docs/trials.md, "Train mode".
"""

from collections.abc import Iterator, Mapping

from narrows.graph.layer_ops import is_convolution, weight_argument
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref
from narrows.trials.errors import TrialError
from narrows.trials.train_mode import STATISTICS

_CUTS = frozenset(
    "argmax argmin ceil floor round sign div.Tensor_mode bitwise_and.Tensor bitwise_not "
    "bitwise_or.Tensor eq.Scalar eq.Tensor ge.Scalar ge.Tensor gt.Scalar gt.Tensor isnan le.Scalar "
    "le.Tensor lt.Scalar lt.Tensor ne.Scalar ne.Tensor logical_and logical_not logical_or".split()
)
"""Operators without a useful gradient: it is 0 or there is none."""


def require_trainable(network: Network) -> None:
    """Raise TrialError, with the layer and the reason, where training would not train the network.

    >>> from narrows.example import two_neurons
    >>> require_trainable(two_neurons()[0])
    >>> from dataclasses import replace
    >>> require_trainable(replace(two_neurons()[0], parameters=frozenset()))
    Traceback (most recent call last):
    narrows.trials.errors.TrialError: the network can't be trained: it has no parameters of \
floating-point numbers; its tensors are constants or integers
    """
    for problem in _problems(network):
        raise TrialError(f"the network can't be trained: {problem}")


def _problems(network: Network) -> Iterator[str]:
    trained = {n for n in network.parameters if network.tensors[n].is_floating_point()}
    if not trained:
        yield (
            "it has no parameters of floating-point numbers; its tensors are constants or integers"
        )
    yield from _batch_norms(network)
    sources = _sources(network)
    for node in network.nodes:
        yield from _constant_weight(network, node, sources, trained)
    yield from _cut_off(network, trained)


def _batch_norms(network: Network) -> Iterator[str]:
    """Yield what is wrong with batch norms: written out as arithmetic, or folded into a layer."""
    norms = {node.module for node in network.nodes if "norm" in node.op}
    used = {network.leaves[v] for n in network.nodes for v in n.references() if v in network.leaves}
    scopes = {name.rpartition(".")[0].rpartition(".")[0] for name in used}
    for name in network.tensors:
        module, _, last = name.rpartition(".")
        kind = network.modules.get(module, "torch.nn.BatchNorm")
        if last != "running_var" or module in norms or not kind.startswith("torch.nn."):
            continue
        if f"{module}.weight" in network.tensors.keys() - network.parameters:
            continue  # frozen by its source, as torchvision's FrozenBatchNorm2d is
        if name in used:
            yield (
                f"the batch norm {module!r} is written out as arithmetic, so its train mode is "
                "lost; export it without decompositions"
            )
        elif module.rpartition(".")[0] in scopes:  # its neighbours run, so it was not left out
            yield (
                f"the batch norm {module!r} is not called: it was folded into another layer, so "
                "its train mode is lost; export the network before that"
            )
    for node in network.nodes:
        for argument in ("running_mean", "running_var") if node.op in STATISTICS else ():
            value = node.inputs.get(argument)
            if isinstance(value, Ref) and value.name not in network.leaves:
                yield (
                    f"{node.op} in {node.module!r} computes its {argument}, so its train mode is "
                    "lost; export it without decompositions"
                )


def _sources(network: Network) -> dict[str, frozenset[str]]:
    """Return for each value that no input changes the named tensors that it is computed from."""
    sources = {leaf: frozenset({name}) for leaf, name in network.leaves.items()}
    for node in network.nodes:
        for output in filter(None, node.outputs):
            if output not in network.varying:
                parts = (sources.get(name, frozenset()) for name in node.references())
                sources[output] = frozenset().union(*parts)
    return sources


def _constant_weight(
    network: Network, node: Node, sources: Mapping[str, frozenset[str]], trained: set[str]
) -> Iterator[str]:
    """Yield what is wrong with a layer's weight: it holds constants, or quantised numbers."""
    if not (is_convolution(node.op) or node.op in ("linear", "addmm", "embedding")):
        return
    weight = node.inputs.get(weight_argument(node.op))
    if not isinstance(weight, Ref) or weight.name not in sources:
        return
    names = sources[weight.name]
    if names & trained or not names:
        return
    tensors = {name: network.tensors[name] for name in sorted(names)}
    where = f"the layer {node.module!r}" if node.module else node.op
    if any(not tensor.is_floating_point() for tensor in tensors.values()):
        yield f"{where} computes its weight from integers ({', '.join(tensors)}): it is quantised"
    elif names & network.transient:
        yield f"{where} holds its weight as a constant ({', '.join(tensors)}), not as a parameter"


def _cut_off(network: Network, trained: set[str]) -> Iterator[str]:
    """Yield the parameters that reach the outputs only through operators without a gradient."""
    reaches = {leaf: {name} for leaf, name in network.leaves.items() if name in trained}
    cut: dict[str, Node] = {}
    for node in network.nodes:
        flowing = set[str]().union(*(reaches.get(name, set()) for name in node.references()))
        if node.op in _CUTS:
            cut |= {name: node for name in flowing if name not in cut}
            flowing = set()
        for output in filter(None, node.outputs):
            reaches[output] = flowing
    reached = set[str]().union(*(reaches.get(name, set()) for name in network.outputs))
    for name in sorted(cut.keys() - reached):
        node = cut[name]
        yield (
            f"no gradient reaches {name}: {node.op} in {node.module!r} cuts it, and what the "
            "source does instead in its backward pass is not in the export"
        )
