"""The library as a notebook uses it."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.architectures import (
    BranchingNet,
    EncoderLayer,
    MobileNet,
    PlainNet,
    ResidualNet,
    Transformer,
    TwoTowers,
    UpsamplingNet,
    example_inputs,
)
from tests.exporting import randomized, read_back
from worker.sosp import Analysis, analyze
from worker.sosp.exported import as_network


def batches(count: int = 5) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    return [(torch.randn(4, 3, 8, 8).double(), torch.randint(5, (4,))) for _ in range(count)]


@pytest.mark.parametrize(
    "architecture",
    [PlainNet, ResidualNet, MobileNet, BranchingNet, UpsamplingNet, Transformer, EncoderLayer,
     TwoTowers],
)  # fmt: skip
def test_a_module_makes_the_network_that_its_file_makes(architecture: type[nn.Module]) -> None:
    module = randomized(architecture())
    inputs = example_inputs(module)
    direct, read = as_network(module, inputs), read_back(module, *inputs)
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


def test_the_answer_has_layers_structures_and_plans() -> None:
    found = analyze(randomized(MobileNet()), batches(), progress=False)
    assert {row["name"] for row in found.layers} >= {"stem.0", "depthwise", "head"}
    assert len(found.structures) == found.summary["structures"] == 4 + 2
    assert set(found.plans) == {"double", "uniform", "reallocate"}
    assert "stem.0" in repr(found)
    assert "not_prunable" in repr(found)
    assert found.summary["samples"] == 20


def test_ranking_by_price_divides_by_what_structures_cost() -> None:
    module = randomized(ResidualNet())
    plain = analyze(module, batches(), progress=False)
    priced = analyze(module, batches(), price="macs", progress=False)
    np.testing.assert_array_equal(plain.saliency, priced.saliency)
    assert len(set(priced.prices)) > 1
    np.testing.assert_array_equal(
        np.argsort(priced.saliency / priced.prices), np.argsort(priced.places)
    )


def test_factors_make_a_plan_of_ones_own() -> None:
    found = analyze(
        randomized(PlainNet()), batches(), factors={"mine": {"features.0": 1.5}}, progress=False
    )
    (layer,) = found.plans["mine"].layers
    assert (layer.name, layer.width, layer.new_width) == ("features.0", 6, 9)


def test_pruning_meets_its_ratio() -> None:
    found = analyze(randomized(ResidualNet()), batches(), progress=False)
    plan = found.pruned(0.5, "parameters")
    assert plan.after.parameters <= 0.5 * plan.before.parameters


def test_networks_come_back_built() -> None:
    module = randomized(MobileNet())
    found = analyze(module, batches(), factors={"mine": {"stem.0": 2.0}}, progress=False)
    x = batches()[0][0]
    wider = found.widen("mine")
    torch.testing.assert_close(wider(x)[0], module(x), rtol=0, atol=1e-10)
    assert wider.tensors["stem.0.weight"].shape[0] == 8
    leaner = found.prune(0.5)
    assert leaner.tensors["stem.0.weight"].shape[0] < 4
    assert leaner(x)[0].shape == (4, 5)


def test_progress_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    analyze(randomized(PlainNet()), batches(3), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        yield from batches(2)

    analyze(randomized(PlainNet()), stream())
    assert "batch 2" in capsys.readouterr().err


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
