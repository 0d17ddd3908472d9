"""The network of the examples in this library's docstrings, small enough to compute by hand.

Two neurons without biases or activations add 1·x and 2·x to the output. With gates m₁ and m₂:
`f(x) = m₁·1·x + m₂·2·x`. For the sample x = 1 with target 2, at m = 1:

- the output is 3 and the squared loss `L = (f − 2)²` is 1;
- `∂L/∂m = 2·(f − 2)·(1, 2) = (2, 4)`, which is θ_s·g;
- `∂²L/∂m² = 2·(1, 2)ᵀ(1, 2)`, which is θ_sᵀ H θ_s'; its row sums θ_s·(H θ_struc) are (6, 12);
- without the first neuron L is 0, without the second it is 1.

See docs/method.md, "Gates".
"""

import torch

from narrows.batch import Batch
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.gates.gated_network import GatedNetwork, gate
from narrows.graph.network import Network
from narrows.graph.node import Input, Node, Ref
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.vocabulary import GateKind


def two_neurons() -> tuple[Network, Shapes, Channels]:
    """Return `f(x) = 1·x + 2·x` for x [batch, 1], its shapes for a batch of two, and its channels.

    The weight of the layer `hidden` is (1, 2)ᵀ, that of `output` is (1, 1).

    >>> network, shapes, channels = two_neurons()
    >>> network(torch.tensor([[1.0], [10.0]]))
    (tensor([[ 3.],
            [30.]]),)
    >>> print(channels)
    group 0: 2 channels of hidden
      channel c is hidden.weight[c], output.weight[:, c]
    output keeps its 1 channel: it is the only one
    """
    network = Network(
        nodes=(
            Node("linear", {"input": Ref("x"), "weight": Ref("w")}, ("h",), "hidden"),
            Node("linear", {"input": Ref("h"), "weight": Ref("v")}, ("y",), "output"),
        ),
        tensors={
            "hidden.weight": torch.tensor([[1.0], [2.0]]),
            "output.weight": torch.tensor([[1.0, 1.0]]),
        },
        leaves={"w": "hidden.weight", "v": "output.weight"},
        parameters=frozenset({"hidden.weight", "output.weight"}),
        inputs=(Input("x", torch.float32, ("batch", 1)),),
        outputs=("y",),
    )
    shapes = trace_shapes(network)
    return network, shapes, find_channels(network, shapes)


def gated_neurons(kind: GateKind = "channel") -> GatedNetwork:
    """Return `f(x) = m₁·1·x + m₂·2·x`: the two neurons, each with a gate.

    >>> gated_neurons().at(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0]]))
    tensor([[1.]])
    """
    network, shapes, channels = two_neurons()
    return gate(network, channels, kind, shapes)


def one_sample() -> Batch:
    """Return a batch of one sample: the input x = 1 with the target 2."""
    return Batch((torch.tensor([[1.0]]),), torch.tensor([[2.0]]))
