"""Recurrent layers: the channels that they read are followed; those that they make stay."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling
from narrows.channels.rules.registry import pin_operands, rule, subject
from narrows.graph.node import Node, Ref
from narrows.graph.recurrent import input_weights


@rule("lstm.input", "gru.input", "rnn_relu.input", "rnn_tanh.input")
@rule("lstm_cell", "gru_cell", "rnn_relu_cell", "rnn_tanh_cell")
def _recurrent(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Couple the input [..., features] with the weights that multiply it; pin all else."""
    reason, source = "recurrent layers are not followed", subject(node)
    features = graph.along(source, -1)
    graph.fix(source, range(-len(graph.shape(source)), -1), reason)
    weights = input_weights(node)
    for weight in weights:
        graph.couple(features, graph.along(Ref(weight), 1), node.op)
    pin_operands(graph, node, reason, but={source.name, *weights})
    return [()] * len(node.outputs)
