"""The table of rules, and the walk through a program that applies them.

A rule couples labels in the graph and returns the labellings of the operator's results. For an
operator without a rule, the channels that it reads are pinned, with the reason.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, placed
from narrows.channels.rules.unsupported import UNFOLLOWED
from narrows.channels.tables import tables
from narrows.graph.dataflow import tensor_readers
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref, as_ref
from narrows.graph.rule_table import RuleTable
from narrows.graph.shapes import Shapes

Rule = Callable[[ChannelGraph, Node, int], Sequence[Labelling]]
"""(graph, call, index of the call in the program) → the labelling of each result."""

RULES: RuleTable[Rule] = RuleTable()
rule = RULES.rule


def trace(network: Network, shapes: Shapes) -> ChannelGraph:
    """Walk through the program; return the graph with every coupling and pin.

    >>> from narrows.example import two_neurons
    >>> graph = trace(*two_neurons()[:2])
    >>> graph.labelling(Ref("h")), graph.labelling(Ref("v"))  # v reads h: coupled below
    ((array([[0, 1]]),), (array([[2, 3]]),))
    >>> graph.components()
    array([0, 1, 0, 1, 2])
    """
    graph = ChannelGraph(network, shapes)
    for spec in network.inputs:
        sizes = shapes.of(spec.name)
        graph.values[spec.name] = tuple(
            array
            for dim, size in enumerate(sizes)
            if dim > 0 and size > 1
            for array in placed(graph.fixed(size, "they are the network's inputs"), dim, len(sizes))
        )
    of_their_own = tables(network)
    for index, node in enumerate(network.nodes):
        results = RULES.get(node.op, pin_everything)(graph, node, index)
        for position, name in enumerate(node.outputs):
            if name and name in shapes.values:
                own = name in of_their_own
                graph.values[name] = graph.separate(name) if own else tuple(results[position])
    for name in network.outputs:
        for labels in graph.labelling(Ref(name)):
            graph.pin(labels, "they are the network's outputs")
    _pin_weights_of_two_uses(graph)
    _pin_what_the_loss_ignores(graph)
    return graph


def _pin_weights_of_two_uses(graph: ChannelGraph) -> None:
    """Pin channels whose weights another call uses in another way: a gate would scale that, too."""
    dims: dict[str, set[int]] = {}
    calls: dict[str, set[int]] = {}
    named = [(p, p.weight) for p in graph.producers if isinstance(p.weight, str)]
    for producer, weight in named:
        dims.setdefault(weight, set()).add(producer.channel_dim)
        calls.setdefault(weight, set()).add(producer.node)
    reading = all_readers(graph)
    for producer, weight in named:
        if reading[weight] - calls[weight] or len(dims[weight]) > 1:
            graph.pin(producer.rows, "their weights are also used in another way")


def _pin_what_the_loss_ignores(graph: ChannelGraph) -> None:
    """Pin layers of which no call influences the first output, on which the loss is computed."""
    needed, calls = {graph.network.outputs[0]}, set()
    for index, node in reversed(list(enumerate(graph.network.nodes))):
        if needed.intersection(node.outputs):
            needed.update(node.references())
            calls.add(index)
    counted = {producer.weight for producer in graph.producers if producer.node in calls}
    for producer in graph.producers:
        if producer.weight not in counted:
            graph.pin(producer.rows, "the loss, of the first output, does not depend on them")


def readers(graph: ChannelGraph, tensor: str) -> set[int]:
    """Return the indices of the calls that read a named tensor, but not just move its dimensions.

    >>> from narrows.example import two_neurons
    >>> readers(trace(*two_neurons()[:2]), "output.weight")
    {1}
    """
    return all_readers(graph)[tensor]


def all_readers(graph: ChannelGraph) -> Mapping[str, set[int]]:
    """Return for each named tensor what `readers` does, in one walk; an empty set for others."""
    known = {value: name for value, (name, _) in graph.weights.items()}
    return defaultdict(set, tensor_readers(graph.network, known))


def pin_everything(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Pin all channels that the operator reads, for lack of a rule; return empty labellings."""
    uncommon = " as it is used" if node.op in RULES else ""  # such as with a vector for a weight
    reason = UNFOLLOWED.get(node.op, f"the operator {node.op} is not followed{uncommon}")
    pin_operands(graph, node, reason)
    return [()] * len(node.outputs)


def pin_operands(graph: ChannelGraph, node: Node, reason: str, but: Collection[str] = ()) -> None:
    """Pin all channels of the values that it reads, `but` of these; the reason names the module."""
    where = f" in {node.module}" if node.module else ""
    for name in node.references():
        if name in graph.shapes.values and name not in but:
            for labels in graph.labelling(Ref(name)):
                graph.pin(labels, reason + where)


# --- what rules share -----------------------------------------------------------------------------


def subject(node: Node) -> Ref:
    """Return the main argument of an operator, `self` or `input`.

    >>> subject(Node("relu", {"self": Ref("x")}, ("y",), ""))
    Ref(name='x')
    """
    return as_ref(node.inputs.get("self", node.inputs.get("input")))


def tensors_of(graph: ChannelGraph, node: Node) -> list[Ref]:
    """Return every tensor that the operator reads; sizes are left out.

    >>> from narrows.example import two_neurons
    >>> network, shapes, _ = two_neurons()
    >>> tensors_of(ChannelGraph(network, shapes), network.nodes[0])
    [Ref(name='x'), Ref(name='w')]
    """
    return [Ref(name) for name in node.references() if name in graph.shapes.values]


def result_shape(graph: ChannelGraph, node: Node, place: int = 0) -> tuple[int, ...]:
    """Return the shape of result number `place` of the operator."""
    return graph.shapes.of(node.outputs[place] or "")
