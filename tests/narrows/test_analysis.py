"""The library as a notebook uses it."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows import Analysis, Built, analyze
from narrows.graph.from_export import as_network
from tests.support.architectures import (
    BranchingNet,
    EncoderLayer,
    MobileNet,
    PlainNet,
    ResidualNet,
    Transformer,
    TwoTowers,
    UpsamplingNet,
)
from tests.support.exporting import exported, exporting_once, randomized, shared_module


@pytest.fixture
def export_once() -> Iterator[None]:
    """See `exporting_once`."""
    with exporting_once():
        yield


def batches(count: int = 5) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    return [(torch.randn(4, 3, 8, 8).double(), torch.randint(5, (4,))) for _ in range(count)]


@pytest.mark.parametrize(
    "architecture",
    [PlainNet, ResidualNet, MobileNet, BranchingNet, UpsamplingNet, Transformer, EncoderLayer,
     TwoTowers],
)  # fmt: skip
def test_a_module_makes_the_network_that_its_file_makes(architecture: type[nn.Module]) -> None:
    module, inputs, read = exported(architecture)
    direct = as_network(module, inputs)
    assert (direct.aliases, direct.parameters) == (read.aliases, read.parameters)
    assert direct.transient == read.transient
    assert direct.nesting == read.nesting
    for ours, theirs in zip(direct(*inputs), read(*inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert direct.parameters == read.parameters
    assert direct.tensors.keys() == read.tensors.keys()
    assert {node.module for node in read.nodes} <= {node.module for node in direct.nodes} | {""}


def test_an_exported_program_is_analysed_like_its_module() -> None:
    module = randomized(ResidualNet())
    program = torch.export.export(
        module, (batches()[0][0],), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    ours = analyze(program, batches(), progress=False).to_dict()
    assert ours == analyze(module, batches(), progress=False).to_dict()


@pytest.mark.usefixtures("export_once")
def test_the_answer_has_layers_structures_and_plans() -> None:
    found = analyze(shared_module(MobileNet), batches(), progress=False)
    assert {row["name"] for row in found.layers} >= {"stem.0", "depthwise", "head"}
    assert len(found.structures) == found.summary["structures"] == 4 + 2
    assert set(found.plans) == {"double", "uniform", "reallocate"}
    assert "stem.0" in repr(found)
    assert "not_prunable" in repr(found)
    assert found.summary["samples"] == 20


@pytest.mark.usefixtures("export_once")
def test_ranking_by_price_divides_by_what_structures_cost() -> None:
    module = shared_module(ResidualNet)
    plain = analyze(module, batches(), method="sosp_h", progress=False)
    priced = analyze(module, batches(), method="sosp_h", cost="macs", progress=False)
    np.testing.assert_array_equal(plain.saliency, priced.saliency)
    assert len(set(priced.structure_costs)) > 1
    np.testing.assert_array_equal(
        np.argsort(priced.saliency / priced.structure_costs), np.argsort(priced.rank)
    )


@pytest.mark.usefixtures("export_once")
def test_factors_make_a_plan_of_ones_own() -> None:
    factors = {"mine": {"features.0": 1.5}}
    found = analyze(shared_module(PlainNet), batches(), factors=factors, progress=False)
    (layer,) = found.plans["mine"].layers
    assert (layer.name, layer.width, layer.new_width) == ("features.0", 6, 9)


@pytest.mark.usefixtures("export_once")
def test_pruning_meets_its_ratio() -> None:
    found = analyze(shared_module(ResidualNet), batches(), progress=False)
    plan = found.pruned(0.5, "parameters")
    assert plan.after.parameters <= 0.5 * plan.before.parameters


@pytest.mark.usefixtures("export_once")
def test_networks_come_back_built() -> None:
    module = shared_module(MobileNet)
    found = analyze(module, batches(), factors={"mine": {"stem.0": 2.0}}, progress=False)
    x = batches()[0][0]
    wider = found.widen("mine").module()
    torch.testing.assert_close(wider(x), module(x), rtol=0, atol=1e-10)
    assert wider.get_parameter("stem.0.weight").shape[0] == 8
    leaner = found.prune(0.5).module()
    assert leaner.get_parameter("stem.0.weight").shape[0] < 4
    assert leaner(x).shape == (4, 5)


@pytest.mark.usefixtures("export_once")
def test_a_plan_is_advised_and_built() -> None:
    """These batches are noise, so the analysis is in doubt unless nothing is held against it."""
    doubted = analyze(shared_module(ResidualNet), batches(), progress=False)
    assert doubted.doubt is not None
    assert doubted.advise().layers == ()
    assert doubted.advise().because == f"It changes nothing: {doubted.doubt}"
    found = replace(doubted, evaluation=None)
    plan = found.advise(0.3, "macs")
    assert plan.layers
    assert plan.before.macs < plan.after.macs <= 1.3 * plan.before.macs
    x = batches()[0][0]
    wider = found.widen(plan).module()
    torch.testing.assert_close(wider(x), shared_module(ResidualNet)(x), rtol=0, atol=1e-10)
    by_name, asked = found.widen("advise").network, found.widen(found.advise()).network
    assert [*map(torch.Tensor.size, by_name.tensors.values())] == [
        *map(torch.Tensor.size, asked.tensors.values())
    ]


@pytest.mark.usefixtures("export_once")
def test_advice_needs_worth_and_options_that_make_sense() -> None:
    found = analyze(shared_module(PlainNet), batches(), method="sosp_h", progress=False)
    with pytest.raises(ValueError, match="choose the method 'sosp_i', 'joint' or 'obs'"):
        found.advise()
    for wrong in ({"budget": 0}, {"budget": 10}, {"budget": "10%"}, {"cost": "structures"},
                  {"multiple": 0}, {"multiple": 2.5}, {"budget": float("nan")}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            found.advise(**cast("Any", wrong))


class TiedNet(nn.Module):
    """A tied head, a buffer that no state dict has, a constant, and a dictionary of outputs."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 6)
        self.mlp = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.tokens.weight
        self.register_buffer("scale", torch.tensor([0.5]), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor | list[Tensor]]:
        h = self.tokens(x).mean(1) * self.scale
        h = h + self.mlp(h) * torch.tensor([2.0], dtype=h.dtype)
        return {"logits": self.head(h), "inside": [h]}


@cache
def tied() -> TiedNet:
    torch.manual_seed(0)
    return TiedNet().double()


def widened_and_tied() -> tuple[TiedNet, Tensor, Built]:
    module = tied()
    data = [(torch.randint(11, (4, 3)), torch.randint(11, (4,))) for _ in range(5)]
    with exporting_once():
        found = analyze(module, data, factors={"mine": {"mlp.0": 2.0}}, progress=False)
    return deepcopy(module), data[0][0], found.widen("mine")


def test_a_built_module_is_one_to_go_on_with(tmp_path: Path) -> None:
    """The edited source loads its state dict, and both train alike, ties and all."""
    source, x, built = widened_and_tied()
    module = built.module()
    before = source(x)
    torch.testing.assert_close(module(x), before)
    source.mlp[0], source.mlp[2] = nn.Linear(6, 16).double(), nn.Linear(16, 6).double()
    torch.save(module.state_dict(), tmp_path / "state.pt")
    source.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for net in (module, source):
        torch.testing.assert_close(net(x), before)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        net(x)["logits"].logsumexp(1).sum().backward()
        optimizer.step()
    assert not torch.equal(module(x)["logits"], before["logits"])
    torch.testing.assert_close(dict(module.state_dict()), dict(source.state_dict()))
    torch.testing.assert_close(built.module()(x), before)


def test_a_built_module_is_copied_and_saved_whole(tmp_path: Path) -> None:
    _, x, built = widened_and_tied()
    module = built.module()
    copied = deepcopy(module)
    torch.save(module, tmp_path / "module.pt")
    loaded = torch.load(tmp_path / "module.pt", weights_only=False)
    with torch.no_grad():
        module.get_parameter("mlp.0.weight").zero_()
    for other in (copied, loaded):
        torch.testing.assert_close(other(x), built.module()(x), rtol=0, atol=0)
        assert not torch.equal(other(x)["logits"], module(x)["logits"])


def test_a_built_network_is_kept_in_a_file(tmp_path: Path) -> None:
    source, x, built = widened_and_tied()
    built.save(tmp_path / "wide.pt2")
    program = torch.export.load(tmp_path / "wide.pt2")
    torch.testing.assert_close(program.module()(x), source(x))
    assert program.state_dict.keys() == source.state_dict().keys()
    assert repr(built).startswith(f"Built(verification={built.verification}, effect=Effect(loss")


@pytest.mark.usefixtures("export_once")
def test_progress_is_reported() -> None:
    seen: list[tuple[int, int | None]] = []
    module = shared_module(PlainNet)
    analyze(module, batches(3), progress=lambda done, of: seen.append((done, of)))
    analyze(module, iter(batches(2)), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3), (1, None), (2, None)]


def test_the_module_is_left_as_it_was() -> None:
    module = randomized(PlainNet()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = analyze(module, batches(), progress=False)
    assert isinstance(found, Analysis)
    assert module.training
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)


def test_nothing_to_analyse_is_said() -> None:
    with pytest.raises(ValueError, match="no batches"):
        analyze(PlainNet(), [], progress=False)
    with pytest.raises(ValueError, match="can be pruned"):
        analyze(nn.Linear(3, 2), [(torch.randn(4, 3), torch.zeros(4).long())], progress=False)
