"""What models write out is followed: cutting channels is gating them to 0, and copies do nothing.

See docs/architecture.md, "Channel groups".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.surgery import Verification, resize, verify_same
from narrows.surgery.built import build
from tests.support.exporting import randomized, read_back
from tests.support.idioms import attention, decoders, mixing, norms, weights
from tests.support.surgery import analysed, cut_some, prove
from worker.formats import pt2

X = torch.randn(3, 6, 5).double()
IMAGE = torch.randn(3, 3, 6, 6).double()
IDS = torch.randint(decoders.WORDS, (3, decoders.TOKENS))
EXACT = 1e-10


def followed(module: nn.Module, *inputs: Tensor) -> tuple[Network, Channels]:
    network = read_back(randomized(module), *inputs)
    for parameter in network.parameters:  # not 0 or 1, as they may be in the beginning
        network.tensors[parameter].add_(torch.randn_like(network.tensors[parameter]) / 10)
    return analysed(network)


def structures_of(channels: Channels) -> dict[str, int]:
    """Return how many structures each layer has, by its name."""
    return {layer.name: len(layer.own) for layer in channels.layers}


def assert_right(network: Network, channels: Channels, *inputs: Tensor, norm: bool = False) -> None:
    """Prove cuts and copies; the statistics of norms may change where copies are unequal."""
    assert len(channels)
    for seed in range(2):
        cut = cut_some(channels, seed)
        assert_exact(prove(network, channels, cut), norm)
        assert_exact(prove(network, channels, cut * (1 + cut_some(channels, seed + 2))), norm)
        prove(network, channels, cut * 2, "fresh")
        if not norm:
            m = torch.from_numpy((cut > 0).astype(float))[None]
            gated = gate(network, channels, "channel").at(m, *inputs)
            (built, *_) = resize(network, channels, cut)(*inputs)
            torch.testing.assert_close(gated, built, rtol=1e-9, atol=1e-9)
    assert_exact(prove(network, channels, np.full(len(channels), 2)))
    assert_exact(prove(network, channels, np.full(len(channels), 3)))


def assert_exact(verification: Verification, norm: bool = False) -> None:
    assert verification.deviation < EXACT or (norm and verification.reasons)
    assert all("normalizes over channels" in reason for reason in verification.reasons)
    assert norm or not verification.reasons


# --- norms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", norms.NORMS)
def test_a_norm_written_out_is_a_norm(kind: str) -> None:
    network, channels = followed(norms.Between(norms.NORMS[kind]), X)
    assert structures_of(channels) == {"make": 8, "read": 0}
    assert channels.normalized_groups() == {0}
    assert_right(network, channels, X, norm=True)


def test_channels_may_come_first() -> None:
    module = norms.Between(norms.layer_norm_first, first=True)
    network, channels = followed(module, X)
    assert structures_of(channels) == {"make": 8, "read": 0}
    assert_right(network, channels, X, norm=True)


@pytest.mark.parametrize("kind", norms.EXACT)
def test_a_norm_by_a_sum_is_exact(kind: str) -> None:
    network, channels = followed(norms.Between(norms.EXACT[kind]), X)
    assert structures_of(channels) == {"make": 8, "read": 0}
    assert_right(network, channels, X)


@pytest.mark.parametrize("kind", norms.NO_NORMS)
def test_other_statistics_pin_what_they_run_over(kind: str) -> None:
    _, channels = followed(norms.Between(norms.NO_NORMS[kind]), X)
    assert channels.layers[0].reason in ("mean.dim runs over them", "amax runs over them")


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The tensor attributes.*weight were assigned during export")
@pytest.mark.parametrize("kind", [*weights.EXACT, *weights.NORMALIZED])
def test_the_parameter_of_a_computed_weight_is_cut(kind: str) -> None:
    layer = {**weights.EXACT, **weights.NORMALIZED}[kind]
    network, channels = followed(weights.Convolutions(layer), IMAGE)
    assert structures_of(channels) == {
        "stem": 8, "dense": 6, "depthwise": 6, "grouped": 4, "head": 0,
    }  # fmt: skip
    assert_right(network, channels, IMAGE, norm=kind in weights.NORMALIZED)


@pytest.mark.parametrize("layer", [weights.weight_normed, weights.spectral_normed])
def test_what_keeps_a_norm_is_scaled_in_its_own_precision(layer: weights.Layer) -> None:
    """A weight norm's g, or a spectral norm's u, is rounded, more than double precision allows."""
    network, channels = followed(weights.Convolutions(layer), IMAGE)
    single = network.in_single_precision().map_dtypes(lambda _: torch.float32)
    verification = prove(single, channels, cut_some(channels, 0))
    assert EXACT < verification.deviation < 1e-6
    assert_exact(prove(network, channels, cut_some(channels, 0)))


def test_a_scale_that_shares_its_vector_pins_channels() -> None:
    """Scaling u for one of two weights would change the other."""
    _, channels = followed(weights.SharedVector(), X)
    assert structures_of(channels) == {"first": 0, "second": 0, "head": 0}
    assert "product with a vector" in str(channels.layers[0].reason)


def test_a_layer_with_a_computed_weight_is_excluded_by_its_name() -> None:
    network, channels = followed(weights.Convolutions(weights.Halved), IMAGE)
    without = find_channels(network, trace_shapes(network), exclude=["dense"])
    assert structures_of(without) == structures_of(channels) | {"dense": 0, "depthwise": 0}


def test_a_fixed_filter_is_no_layer() -> None:
    network, channels = followed(weights.Blurred(), IMAGE)
    assert structures_of(channels) == {"stem": 8, "head": 0}
    assert_right(network, channels, IMAGE)


def test_a_bias_of_pieces_goes_with_its_layer() -> None:
    network, channels = followed(weights.JoinedBias(), IMAGE)
    assert structures_of(channels) == {"layer": 9, "head": 0}
    assert set(channels.layers[0].tensors) == {"layer.weight", "first", "last"}
    assert_right(network, channels, IMAGE)


# --- tables, and layers along tokens --------------------------------------------------------------

MIXING: Mapping[str, tuple[nn.Module, dict[str, int]]] = {
    "positions": (mixing.Positions(), {"make": 8, "read": 0}),
    "filled": (mixing.FilledPositions(), {"make": 8, "read": 0}),
    "aggregation": (mixing.Aggregation(), {"left": 8, "right": 8, "mix": 0, "read": 0}),
    "mixer": (
        mixing.Mixer(),
        {"embed": 8, "tokens.0": 12, "tokens.2": 0, "channels.0": 10, "channels.2": 8, "head": 0},
    ),
    "spatial gate": (mixing.SpatialGate(), {"widen": 6, "gate": 0, "head": 0}),
    "no registers": (mixing.NoRegisters(), {"embed": 8, "head": 0}),
    "recurrent": (mixing.Recurrent(), {"embed": 8, "head": 0}),
    "packed gate": (mixing.GatedMlp(packed=True), {"up": 12, "down": 0}),
    "gate": (mixing.GatedMlp(packed=False), {"gate": 12, "up": 12, "down": 0}),
    "sizes alone": (mixing.SizesAlone(), {"make": 8, "read": 0}),
    "picked token": (mixing.PickedToken(), {"embed": 8, "head": 0}),
    "picked positions": (mixing.PickedPositions(), {"q": 8, "head": 0}),
    "pooled tokens": (mixing.PooledTokens(), {"embed": 8, "head": 0}),
}


@pytest.mark.parametrize("kind", MIXING)
def test_tables_and_tokens(kind: str) -> None:
    module, expected = MIXING[kind]
    network, channels = followed(module, X)
    assert structures_of(channels) == expected
    assert_right(network, channels, X)


def test_a_table_is_a_buffer_when_its_channels_move() -> None:
    """The state dict keeps its keys."""
    network, channels = followed(mixing.Positions(), X)
    kept = (np.arange(8) % 3 == 0).astype(np.int64)
    cut = resize(network, channels, kept)
    (name,) = cut.transient - network.transient
    table = mixing.Positions().table(X)
    torch.testing.assert_close(cut.tensors[name], table[:, kept > 0])
    assert resize(network, channels, np.ones(8, np.int64)).tensors.keys() == network.tensors.keys()


@pytest.mark.parametrize(
    ("module", "x"),
    [(mixing.Positions(), X), (weights.Convolutions(weights.Halved), IMAGE)],
    ids=["table", "divisors"],
)
def test_new_buffers_are_in_the_file(module: nn.Module, x: Tensor, tmp_path: Path) -> None:
    """A table of which channels are cut, and the numbers of copies by which a value is divided."""
    network, channels = followed(module, x)
    copies = np.arange(len(channels)) % 3
    built = build(network, channels, copies, trace_shapes(network))
    assert built.network.transient
    built.save(tmp_path / "built.pt2")
    read = pt2.read(tmp_path / "built.pt2")
    verify_same(built.network, read)
    torch.testing.assert_close(read(x)[0], built.network(x)[0])
    assert built.module().state_dict().keys() == network.tensors.keys() - network.transient


@pytest.mark.parametrize("units", [1, 2, 3])
def test_channels_that_are_shuffled_repeatedly_are_copied(units: int) -> None:
    network, channels = followed(mixing.ShuffleNet(units), IMAGE)
    assert structures_of(channels)["last"] == 5
    assert_right(network, channels, IMAGE)
    for group in np.unique(channels.groups):
        assert_exact(prove(network, channels, np.where(channels.groups == group, 2, 1)))


# --- attention ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", attention.KINDS)
def test_heads_are_structures(kind: str) -> None:
    network, channels = followed(attention.KINDS[kind](), X)
    heads = {"talking heads": {"before": 2, "after": 2}, "embedded bias": {"biases": 2},
             "disentangled": {"key": 2}, "cosine": {"biases.0": 7, "biases.2": 2}}  # fmt: skip
    expected = {"embed": 8, "qkv": 2, "out": 8, "head": 0, **heads.get(kind, {})}
    if kind == "einsum weights":
        expected = {"embed": 8, "q": 2, "k": 2, "v": 2, "r": 2, "o": 8, "head": 0}
    assert structures_of(channels) == expected
    assert_right(network, channels, X)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("pieces", [2, 3])
def test_pieces_of_a_weight_are_layers(pieces: int, batch_first: bool) -> None:
    network, channels = followed(attention.Crossing(pieces, batch_first=batch_first), X)
    layers = {layer.name: layer for layer in channels.layers}
    parts = [layer for name, layer in layers.items() if layer.weight == "attention.in_proj_weight"]
    assert [len(layer.own) for layer in parts] == [2] * pieces
    assert len(layers) == pieces + 4
    sizes = [network.tensors[name].numel() for layer in parts for name in layer.tensors]
    assert sorted(sizes) == [24, 192]
    assert_right(network, channels, X)


def test_heads_are_cut_and_not_learned_queries() -> None:
    network, channels = followed(attention.LearnedQueries(), X)
    assert structures_of(channels) == {
        "embed": 8, "attention": 2, "attention.linear_2": 2, "attention.linear_3": 2,
        "attention.out_proj": 8, "head": 0,
    }  # fmt: skip
    assert_right(network, channels, X)


@pytest.mark.parametrize("scale", [None, 0.3])
def test_a_single_head_loses_channels(scale: float | None) -> None:
    network, channels = followed(attention.SingleHead(scale), X)
    assert structures_of(channels) == {"embed": 8, "qk": 6, "v": 8, "out": 8, "head": 0}
    assert_right(network, channels, X)


def test_windows_of_an_image_are_weighted_by_heads() -> None:
    network, channels = followed(attention.Outlook(), IMAGE)
    assert structures_of(channels) == {"embed": 8, "v": 2, "weights": 2, "out": 8, "head": 0}
    assert_right(network, channels, IMAGE)


@pytest.mark.parametrize("way", attention.WAYS)
def test_a_head_of_keys_goes_with_the_queries_that_it_serves(way: str) -> None:
    network, channels = followed(attention.FewerKeys(2, way), X)
    assert structures_of(channels) == {"embed": 8, "qkv": 2, "out": 8, "head": 0}
    layer = next(layer for layer in channels.layers if layer.name == "qkv")
    served = layer.structures.reshape(8, 4)[:, 0]  # heads of queries, keys and values
    assert served.tolist() == [s for s in served[[0, 2]] for _ in range(2)] + [*served[[0, 2]]] * 2
    assert_right(network, channels, X)


@pytest.mark.parametrize("way", [*attention.WAYS, "picked"])
def test_heads_of_queries_share_a_single_head_of_keys(way: str) -> None:
    network, channels = followed(attention.FewerKeys(1, way), X)
    assert structures_of(channels) == {"embed": 8, "qkv": 4, "out": 8, "head": 0}
    assert_right(network, channels, X)


def test_heads_of_several_groups_are_picked() -> None:
    """In Falcon's way, each group of queries is one structure, with its keys and values."""
    network, channels = followed(attention.FewerKeys(2, "picked"), X)
    assert structures_of(channels) == {"embed": 8, "qkv": 2, "out": 8, "head": 0}
    assert_right(network, channels, X)


# --- decoders -------------------------------------------------------------------------------------


def test_the_heads_and_neurons_of_gpt_are_cut_and_copied() -> None:
    network, channels = followed(decoders.Gpt(), IDS)
    found = structures_of(channels)
    for layer in ("h.0", "h.1"):
        assert found[f"{layer}.c_attn"] == 2
        assert found[f"{layer}.c_fc"] == 12
    assert_inside_right(network, channels)
    assert_exact(prove(network, channels, np.full(len(channels), 2)))


def test_the_heads_and_neurons_of_llama_are_cut_and_copied() -> None:
    network, channels = followed(decoders.Llama(), IDS)
    found = structures_of(channels)
    for layer in ("layers.0", "layers.1"):
        assert [found[f"{layer}.{part}_proj"] for part in "qkv"] == [2, 2, 2]
        assert [found[f"{layer}.{part}_proj"] for part in ("gate", "up")] == [12, 12]
    assert found["embed_tokens"] == 16
    assert_inside_right(network, channels)
    assert_exact(prove(network, channels, np.full(len(channels), 2)))


def assert_inside_right(network: Network, channels: Channels) -> None:
    """Prove cuts and copies of all but the stream of tokens, over which norms run."""
    inside = ~np.isin(channels.groups, list(channels.normalized_groups()))
    cut = np.where(inside, cut_some(channels, 0), 1)
    assert (cut == 0).any()
    assert_exact(prove(network, channels, cut))
    assert_exact(prove(network, channels, np.where(inside, 1 + cut_some(channels, 1), 1)))
    m = torch.from_numpy((cut > 0).astype(float))[None]
    gated = gate(network, channels, "channel").at(m, IDS)
    torch.testing.assert_close(gated, resize(network, channels, cut)(IDS)[0])
