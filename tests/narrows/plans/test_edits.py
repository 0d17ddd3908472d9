"""Edits, made in the source: they exist, they fit, and what they can't do is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from narrows.channels.groups import find_channels
from narrows.export_module import export_module
from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.graph.to_export import NetworkModule, save
from narrows.plans import budget
from narrows.plans.edits import Edit
from narrows.plans.planner import Plan, Planner
from narrows.surgery import SurgeryError, resize
from tests.support.architectures import (
    ARCHITECTURES,
    ActivationsNet,
    AttentionNet,
    AutoEncoder,
    ComputedNet,
    DenseNet,
    EncoderNet,
    GroupedNet,
    MobileNet,
    ResidualNet,
    SharedNet,
    Tagger,
    Transformer,
)
from tests.support.editing import edited, edits_of
from tests.support.exporting import exported, randomized, read_back
from tests.support.idioms.attention import Masked
from tests.support.idioms.groups import MultiScale, as_efficientvit
from worker.formats import pt2

IMAGE = torch.randn(3, 3, 6, 6).double()


def _planner(network: Network) -> Planner:
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    rank = np.random.default_rng(0).permutation(len(channels))
    return Planner(network, shapes, channels, rank)


def _plans(planner: Planner) -> list[Plan]:
    groups = np.unique(planner.channels.groups).tolist()
    half = budget.prune_to_ratio(planner.channels, planner.rank, 0.5, planner.cost_of)
    return [
        planner.double(groups),
        planner.uniform(groups[:1]),
        planner.custom(dict.fromkeys(groups, 1.5)),
        planner.resized("pruned", half),
        *(planner.custom({group: 2.0}) for group in groups),
    ]


def _widened(planner: Planner, *layers: str, factor: float = 2.0) -> Plan:
    """Return the plan in which all channels of these layers are wider."""
    own = [layer.structures for layer in planner.channels.layers if layer.name in layers]
    return planner.custom(
        dict.fromkeys(planner.channels.groups[np.concatenate(own)].tolist(), factor)
    )


def _reasons(plan: Plan, module: str) -> str:
    return "; ".join(reason for name, reason in plan.incomplete if name == module)


def _check_fits(
    module: nn.Module, inputs: tuple[Tensor, ...], planner: Planner, plan: Plan
) -> None:
    """Check that the source with the edits takes the built network's weights, and computes it."""
    built = NetworkModule(resize(planner.network, planner.channels, plan.copies))
    source = edited(module, edits_of(plan))
    source.load_state_dict(built.state_dict())
    with torch.no_grad():
        results = zip(tree_leaves(source(*inputs)), tree_leaves(built(*inputs)), strict=True)
        for ours, theirs in results:
            torch.testing.assert_close(ours, theirs)


def _check_named(module: nn.Module, plan: Plan) -> None:
    """Check that each edit names an attribute that exists, with the value that it has."""
    for edit in edits_of(plan):
        assert getattr(module.get_submodule(edit.module), edit.attribute) == edit.before


EVERY = (*ARCHITECTURES, SharedNet, AttentionNet, ComputedNet, ActivationsNet)


DECOMPOSED = (MobileNet, AutoEncoder, GroupedNet, EncoderNet)


@pytest.mark.parametrize(
    ("architecture", "decomposed"), [*((a, False) for a in EVERY), *((a, True) for a in DECOMPOSED)]
)
def test_the_edited_source_is_the_built_network(
    architecture: type[nn.Module], decomposed: bool
) -> None:
    module, inputs, network = exported(architecture, decomposed=decomposed)
    planner = _planner(network)
    for plan in _plans(planner) if len(planner.channels) else []:
        _check_named(module, plan)
        if not plan.incomplete:
            try:
                _check_fits(module, inputs, planner, plan)
            except SurgeryError:  # such as a layer that would be left without channels
                assert plan.name == "pruned"


def test_networks_without_code_of_their_own_need_nothing_but_edits() -> None:
    for architecture in (ResidualNet, MobileNet, DenseNet, AutoEncoder, GroupedNet, SharedNet):
        planner = _planner(exported(architecture).network)
        assert all(plan.incomplete == () for plan in _plans(planner))


def test_the_groups_of_a_convolution_are_edited_where_they_are_heads() -> None:
    module = randomized(MultiScale(as_efficientvit))
    planner = _planner(read_back(module, IMAGE))
    for plan in _plans(planner):
        _check_named(module, plan)
        _check_fits(module, (IMAGE,), planner, plan)
    edits = {(e.module, e.attribute, e.before, e.after) for e in edits_of(_widened(planner, "qkv"))}
    assert {("aggregate.1", "groups", 9, 18), ("aggregate.1", "in_channels", 36, 72)} <= edits


class TrainedNet(nn.Module):
    """A network with what only training reads: an auxiliary head, and a copy of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 10, 3)
        self.aux, self.deep, self.head = nn.Linear(8, 4), nn.Linear(8 * 36, 4), nn.Linear(10, 4)
        self.average = nn.Conv2d(3, 8, 3).requires_grad_(False)
        self.other = nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm(self.a(x)))
        y: Tensor = self.head(F.relu(self.b(h)).mean((2, 3)))
        return y + self.aux(h.mean((2, 3))) if self.training else y


@pytest.mark.parametrize("strict", [False, True])
def test_what_only_training_reads_is_named(strict: bool, tmp_path: Path) -> None:
    module, x = randomized(TrainedNet()), torch.randn(2, 3, 8, 8).double()
    free = {"x": {0: torch.export.Dim("batch", min=2)}}
    program = torch.export.export(module, (x,), dynamic_shapes=free, strict=strict)
    torch.export.save(program, tmp_path / "model.pt2")
    for network in (as_network(program, (x,)), pt2.read(tmp_path / "model.pt2")):
        plan = _widened(_planner(network), "a")
        assert {name for name, _ in plan.incomplete} == {"aux", "deep", "average"}
        assert all("not in the exported program" in reason for _, reason in plan.incomplete)
        assert set(edits_of(plan)) == {
            Edit("a", "out_channels", 8, 16),
            Edit("norm", "num_features", 8, 16),
            Edit("b", "in_channels", 8, 16),
        }
        assert _widened(_planner(network), "b").incomplete == ()
        assert plan.to_dict()["incomplete"][0].keys() == {"module", "reason"}


class Attentive(nn.Module):
    """torch's own attention, in one of its forms, in a residual stream."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.x, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        h = self.x(x)
        y: Tensor = self.head(h + self.attention(h, h, h)[0])
        return y[:, 0]


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 8, "vdim": 8}])
def test_attention_is_edited_as_a_whole_or_not_at_all(options: dict[str, Any]) -> None:
    module, x = randomized(Attentive(**options)), torch.randn(2, 5, 4).double()
    planner = _planner(read_back(module, x))
    both = _widened(planner, "x", "attention.in_proj_weight", "attention.out_proj")
    assert {
        Edit("attention", "embed_dim", 8, 16),
        Edit("attention", "kdim", 8, 16),
        Edit("attention", "vdim", 8, 16),
        Edit("attention", "num_heads", 2, 4),
    } < set(edits_of(both))
    _check_named(module, both)
    assert both.incomplete == ()
    _check_fits(module, (x,), planner, both)
    for layer in ("x", "attention.in_proj_weight"):
        alone = _widened(planner, layer)
        assert "its embed_dim, kdim, vdim would have to be" in _reasons(alone, "attention")
        assert all(edit.module != "attention" for edit in edits_of(alone))


class Projection(nn.Linear):
    """A layer of a class of one's own."""


class Scaled(nn.Module):
    """A module with a parameter of its own, and a weight that it applies by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.mix = nn.Parameter(torch.rand(6)), nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x * self.scale, self.mix)


def test_a_class_derived_from_torchs_is_edited_as_torchs() -> None:
    module, x = randomized(nn.Sequential(Projection(4, 6), nn.ReLU(), Projection(6, 3))), _rows(4)
    planner = _planner(as_network(module, (x,)))
    plan = _widened(planner, "0")
    assert set(edits_of(plan)) == {
        Edit("0", "out_features", 6, 12),
        Edit("2", "in_features", 6, 12),
    }
    _check_fits(module, (x,), planner, plan)


def test_archives_name_torchs_classes_also_when_built(tmp_path: Path) -> None:
    module, x = randomized(nn.Sequential(Projection(4, 6), nn.ReLU(), Projection(6, 3))), _rows(4)
    export_module(module, (x,), tmp_path / "model.pt2")
    planner = _planner(pt2.read(tmp_path / "model.pt2"))
    wide = resize(planner.network, planner.channels, _widened(planner, "0").copies)
    save(wide, tmp_path / "wide.pt2")
    plan = _widened(_planner(pt2.read(tmp_path / "wide.pt2")), "0")
    assert edits_of(plan) == [
        Edit("0", "out_features", 12, 24),
        Edit("2", "in_features", 12, 24),
    ]


def test_parameters_of_the_users_own_are_named() -> None:
    module, x = randomized(nn.Sequential(nn.Linear(4, 6), Scaled(), nn.Linear(6, 3))), _rows(4)
    plan = _widened(_planner(as_network(module, (x,))), "0")
    assert edits_of(plan) == [Edit("0", "out_features", 6, 12)]
    assert "'scale' must change its shape from [6] to [12]" in _reasons(plan, "1")
    assert "'mix' must change its shape from [6, 6] to [6, 12]" in _reasons(plan, "1")


def test_tied_weights_that_a_copy_must_divide_are_named() -> None:
    """The head can't divide its weights by the copies: the embedding reads them, too."""
    planner = _planner(exported(Transformer).network)
    plan = _widened(planner, "separate.out")  # of the stream
    assert {Edit("tokens", "embedding_dim", 8, 16), Edit("head", "in_features", 8, 16)} < set(
        edits_of(plan)
    )
    assert "divides what linear reads here by 2" in _reasons(plan, "head")
    assert "'positions' must change its shape" in _reasons(plan, "")


class Permuted(nn.Module):
    """Channels in another order, which a buffer holds."""

    order: Tensor

    def __init__(self, *, persistent: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("order", torch.randperm(6), persistent=persistent)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.b(torch.index_select(self.a(x), 1, self.order))
        return y


@pytest.mark.parametrize("persistent", [False, True])
def test_buffers_that_select_channels_are_named(persistent: bool) -> None:
    plan = _widened(_planner(as_network(Permuted(persistent=persistent), (torch.rand(2, 4),))), "a")
    assert ("must change its shape" if persistent else "make it anew") in _reasons(plan, "")


def test_a_recurrent_layer_reads_more() -> None:
    module, inputs, network = exported(Tagger, decomposed=True)
    planner = _planner(network)
    plan = _widened(planner, "mix")
    assert set(edits_of(plan)) == {
        Edit("mix", "out_features", 6, 12),
        Edit("lstm", "input_size", 6, 12),
    }
    _check_named(module, plan)
    _check_fits(module, inputs, planner, plan)


class Reader(nn.Module):
    """Code that reads widths in the way of `reading`."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading, self.a, self.b = reading, nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.b(self.reading(self.a(x)))
        return y


WRITTEN: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda h: h.view(-1, 2, 4).transpose(1, 2).transpose(1, 2).reshape(-1, 8),
    lambda h: torch.cat(torch.split(h, [4, 4], -1)[::-1], -1),
    lambda h: torch.cat([h[:, 4:], h[:, :4]], -1),
    lambda h: F.layer_norm(h, (8,)),
    lambda h: torch.unflatten(h, 1, (2, 4)).flatten(1),
    lambda h: F.scaled_dot_product_attention(h[:, None], h[:, None], h[:, None])[:, 0],
)
DERIVED: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda h: h / h.shape[-1] ** 0.5,
    lambda h: F.scaled_dot_product_attention(h[:, None], h[:, None], h[:, None], scale=8**-0.5)[
        :, 0
    ],
)
"""They compute a number from a width; the built network keeps what it was."""

FOLLOWING: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda h: torch.cat(h.chunk(2, -1)[::-1], -1),
    lambda h: h[:, None].flatten(1),
    lambda h: h[:, 0:] * h.sigmoid(),
    lambda h: h.view(h.shape[0], -1),
)


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_numbers_in_the_code_are_named(number: int) -> None:
    plan = _widened(_planner(as_network(Reader(WRITTEN[number]), (torch.randn(2, 4),))), "a")
    assert plan.layers
    assert "numbers that must change" in _reasons(plan, "")


@pytest.mark.parametrize("number", range(len(DERIVED)))
def test_numbers_that_the_code_may_compute_from_a_width_are_named(number: int) -> None:
    plan = _widened(_planner(as_network(Reader(DERIVED[number]), (torch.randn(2, 4),))), "a")
    assert "must keep the number" in _reasons(plan, "")


@pytest.mark.parametrize("number", range(len(FOLLOWING)))
def test_what_takes_its_sizes_from_its_input_needs_nothing(number: int) -> None:
    module, x = randomized(Reader(FOLLOWING[number])), _rows(4)
    planner = _planner(as_network(module, (x,)))
    plan = _widened(planner, "a")
    assert plan.incomplete == ()
    _check_fits(module, (x,), planner, plan)


def test_numbers_of_tokens_are_not_those_of_channels() -> None:
    """Six tokens of eight channels, of which a layer makes 24: no width has to do with six."""
    network = read_back(randomized(Masked()), torch.randn(2, 6, 5).double())
    planner = _planner(network)
    plan = _widened(planner, "embed", "qkv", "out")
    told = " ".join(reason for _, reason in plan.incomplete)
    assert "the number 6" not in told
    assert "reshape has numbers that must change (shape 2 → 4)" in told  # the heads
    assert "mul must keep the number 0.5" in told  # the root of a head's width


def test_an_unused_bias_of_an_edited_layer_is_named() -> None:
    class Quiet(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight)

    module = nn.Sequential(Quiet(4, 6), nn.ReLU(), nn.Linear(6, 3))
    plan = _widened(_planner(as_network(module, (torch.randn(2, 4),))), "0")
    assert "out_features would have to be 12 and 6 at once" in _reasons(plan, "0")


class Twice(nn.Module):
    """A layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.again = self.b

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.again(F.relu(self.b(self.a(x)))))
        return y


@pytest.mark.parametrize("strict", [False, True])
def test_a_module_under_two_names_is_edited_under_both(strict: bool, tmp_path: Path) -> None:
    module, x = randomized(Twice()), _rows(4)
    free = {"x": {0: torch.export.Dim("batch", min=2)}}
    program = torch.export.export(module, (x,), dynamic_shapes=free, strict=strict)
    torch.export.save(program, tmp_path / "model.pt2")
    planner = _planner(pt2.read(tmp_path / "model.pt2"))
    plan = _widened(planner, "a", "b")
    assert Edit("again", "out_features", 6, 12) in edits_of(plan)
    assert plan.incomplete == ()
    _check_fits(module, (x,), planner, plan)


def _rows(width: int) -> Tensor:
    return torch.randn(2, width).double()
