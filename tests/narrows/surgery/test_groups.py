"""Groups of convolutions and norms are structures where the channels within each go together.

See docs/architecture.md, "Channel groups".
"""

import numpy as np
import pytest
import torch

from narrows.arrays import Ints
from narrows.channels.reads import places
from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.surgery import resize
from tests.narrows.surgery.test_idioms import IMAGE, X, assert_right, followed, structures_of
from tests.support.exporting import randomized, read_back
from tests.support.idioms import groups
from tests.support.idioms.groups import WIDTH, Aggregate, MultiScale
from tests.support.surgery import analysed


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("kind", groups.AGGREGATES)
def test_heads_are_groups_of_a_convolution(kind: str, across: bool) -> None:
    network, channels = followed(MultiScale(groups.AGGREGATES[kind], across=across), IMAGE)
    assert_heads(network, channels)


@pytest.mark.parametrize("kind", groups.WHOLE_HEADS)
def test_groups_have_whole_heads(kind: str) -> None:
    assert_heads(*followed(MultiScale(groups.WHOLE_HEADS[kind]), IMAGE))


def test_groups_of_core_operators() -> None:
    """`convolution` and `native_group_norm`."""
    module = randomized(MultiScale(groups.normed))
    network, channels = analysed(read_back(module, IMAGE, decomposed=True))
    assert {"convolution", "native_group_norm"} <= {n.op.partition(".")[0] for n in network.nodes}
    assert_heads(network, channels)


def assert_heads(network: Network, channels: Channels) -> None:
    found = structures_of(channels)
    assert [found.pop(name) for name in ("embed", "head", "proj")] == [8, 0, 8]
    assert len(found) >= 2
    assert set(found.values()) == {3}, "one for each head"
    assert not channels.normalized_groups()
    assert_right(network, channels, IMAGE)


@pytest.mark.parametrize("across", [False, True])
def test_cutting_a_head_leaves_the_network_that_was_made_without_it(across: bool) -> None:
    """The smaller network is made by hand: it has two heads, and the numbers of these."""
    module = MultiScale(groups.AGGREGATES["normed"], across=across)
    network, channels = followed(module, IMAGE)
    smaller = MultiScale(groups.AGGREGATES["normed"], 2, across=across).double().eval()
    order = (3, 3, WIDTH) if across else (3, 3 * WIDTH)
    kept = np.arange(3 * 3 * WIDTH).reshape(order).take([0, 2], axis=1 if across else 0).ravel()
    columns = np.arange(2 * 3 * WIDTH).reshape(2, 3, WIDTH)[:, [0, 2]].ravel()
    numbers = {}
    for name, tensor in network.tensors.items():
        if name.startswith(("qkv", "aggregate")):
            tensor = tensor[kept]
        numbers[name] = tensor[:, columns] if name == "proj.weight" else tensor
    smaller.load_state_dict(numbers)
    qkv = next(layer for layer in channels.layers if layer.name == "qkv")
    copies = np.ones(len(channels), np.int64)
    copies[qkv.structures[order[-1]]] = 0  # the second head
    built = resize(network, channels, copies)
    torch.testing.assert_close(built(IMAGE)[0], smaller(IMAGE), rtol=1e-12, atol=1e-12)
    for name, tensor in numbers.items():
        torch.testing.assert_close(built.tensors[name], tensor)


def test_a_group_is_copied_without_a_division() -> None:
    """It reads itself, so of the layers of a head only `proj` is divided, which sums over heads."""
    network, channels = followed(MultiScale(groups.as_efficientvit), IMAGE)
    copies = np.ones(len(channels), np.int64)
    copies[own_of(channels, "qkv")] = 2
    wide = resize(network, channels, copies)
    for name in ("qkv", "aggregate.0", "aggregate.1"):
        weight = network.tensors[f"{name}.weight"]
        copied = weight.reshape(3, -1, *weight.shape[1:]).repeat_interleave(2, 0).flatten(0, 1)
        torch.testing.assert_close(wide.tensors[f"{name}.weight"], copied)
    numbers = [node.inputs.get("groups", 1) for node in wide.nodes if node.op == "conv2d"]
    assert numbers == [1, 1, 6 * 3 * WIDTH, 6 * 3, 1]


def test_a_group_is_gated_where_its_result_is_read() -> None:
    """Not where it reads itself: the gate would be twice on the way, and its derivative, too."""
    network, channels = followed(MultiScale(groups.as_efficientvit), IMAGE)
    heads = own_of(channels, "qkv")
    gated = gate(network, channels, "channel")
    gates = [
        gated.network.nodes[i] for i, g in gated.gates.items() if np.isin(g.structures, heads).any()
    ]
    read = {name for node in gates for name in node.references()}
    (call,) = [node for node in network.nodes if node.inputs.get("groups") == 9]
    assert read.isdisjoint(call.references())
    assert len(read) == 1, "what `proj` reads"
    assert places(network, channels, trace_shapes(network))[heads].tolist() == [1, 1, 1]


def own_of(channels: Channels, name: str) -> Ints:
    return next(layer.own for layer in channels.layers if layer.name == name)


# --- what decides ---------------------------------------------------------------------------------


def test_a_stream_keeps_single_channels() -> None:
    """Three groups would be three structures of all layers, so positions in the groups are cut."""
    network, channels = followed(groups.Heads(heads=3, groups=3), X)
    assert structures_of(channels) == {"embed": 4, "q": 0, "k": 0, "v": 0, "out": 4, "head": 0}
    assert channels.layers[1].reason == "they can only go all at once"
    assert_right(network, channels, X)


def test_heads_within_a_group_are_positions() -> None:
    """Two heads in each of three groups, as SqueezeBERT has three in each of four."""
    network, channels = followed(groups.Heads(heads=6, groups=3), X)
    assert structures_of(channels) == {"embed": 4, "q": 2, "k": 2, "v": 2, "out": 4, "head": 0}
    assert_right(network, channels, X)


def test_a_layer_of_its_own_goes_with_the_heads() -> None:
    network, channels = followed(groups.Heads(heads=3, groups=3, inner=6), X)
    inside = dict.fromkeys(("inner", "q", "k", "v"), 3)
    assert structures_of(channels) == {"embed": 12, **inside, "out": 12, "head": 0}
    assert_right(network, channels, X)


def test_positions_are_cut_where_groups_would_stay() -> None:
    network, channels = followed(groups.OneForEach(), IMAGE)
    assert structures_of(channels) == {"embed": 4, "last": 0}
    assert_right(network, channels, IMAGE)
    network, channels = followed(groups.HeadsAtTheEnd(heads=3, groups=3, inner=6), X)
    assert structures_of(channels) == {"embed": 12, "inner": 2, "q": 0, "k": 0, "v": 0}
    assert_right(network, channels, X)


@pytest.mark.parametrize(
    ("aggregate", "heads"), [(groups.as_efficientvit, 1), (groups.transposed, 3)]
)
def test_a_single_head_and_transposed_groups_stay(aggregate: Aggregate, heads: int) -> None:
    network, channels = followed(MultiScale(aggregate, heads), IMAGE)
    assert structures_of(channels) == {
        "embed": 8, "qkv": 0, "aggregate.0": 0, "aggregate.1": 0, "proj": 8, "head": 0
    }  # fmt: skip
    assert_right(network, channels, IMAGE)


def test_a_convolution_of_one_sample_is_left_alone() -> None:
    network, channels = followed(groups.OneSample(), IMAGE)
    assert structures_of(channels) == {"embed": 0, "head": 0}
    resize(network, channels, np.ones(0, np.int64))
    assert not gate(network, channels, "channel").gates


def test_columns_of_a_group_stay_where_another_layer_reads_by_them() -> None:
    network, channels = followed(groups.AlsoDense(), IMAGE)
    found = structures_of(channels)
    assert (found["narrow"], found["qkv"], found["aggregate"]) == (0, 3, 3)
    assert_right(network, channels, IMAGE)
