"""Arguments are checked before any work, and the errors say what is allowed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from narrows import Analysis, analyze
from narrows.arguments import ArgumentError
from narrows.targets import TargetsError
from tests.support.exporting import exporting_once

NET = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
DATA = [(torch.ones(4, 6), torch.arange(4))]


def found(**options: Any) -> Analysis:
    with exporting_once():
        return analyze(NET, DATA, progress=False, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "foo"}, "no method 'foo'; choose from 'sosp_h', 'sosp_i'"),
        ({"method": 3}, "no method 3"),
        ({"method": "joint", "loss": F.mse_loss}, "needs the curvature .* choose 'sosp_h'"),
        ({"loss": "foo"}, "no loss 'foo'; choose from 'cross_entropy'.* or pass a function"),
        ({"loss": nn.CrossEntropyLoss}, "no loss <class"),
        ({"gate": "foo"}, "no gate 'foo'; choose from 'weights', 'channel'"),
        ({"rule": "foo"}, "no rule 'foo'; choose from 'worth', 'pruning_ratio'"),
        ({"rule": "worth", "method": "fisher"}, "'fisher' does not measure; choose the method"),
        ({"rule": "worth", "loss": "model"}, "'sosp_h' does not measure"),
        ({"cost": "price"}, "no cost 'price'; choose from 'structures', 'parameters', 'macs'"),
        ({"curvature": "foo"}, "choose from 'sampled', 'exact'"),
        ({"curvature": "exact", "method": "fisher"}, "'fisher' does not use `curvature`"),
        ({"blocks": 0}, "blocks is 0; it must be a whole number, 1 or more"),
        ({"blocks": True}, "blocks is True"),
        ({"blocks": 2.5}, "blocks is 2.5"),
        ({"blocks": 2, "method": "sosp_h"}, "'sosp_h' does not use `blocks`"),
        ({"pruning_ratio": 1.0}, "between 0 and 1"),
        ({"pruning_ratio": float("nan")}, "between 0 and 1"),
        ({"pruning_ratio": "0.5"}, "between 0 and 1"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": None}, "seed is None"),
        ({"exclude": "0"}, r"must be names of layers: \['conv1'"),
        ({"exclude": ["nope"]}, "no layer 'nope'; choose from '0', '2', '4'"),
        ({"factors": {"0": 2.0}}, r"such as \{'mine': \{'conv1': 1.5\}\}, but '0' has 2.0"),
        ({"factors": {"double": {"0": 2.0}}}, "itself uses the name 'double'"),
        ({"factors": {"mine": {"0": 0}}}, "above 0 and at most 16"),
        ({"factors": {"mine": {"0": float("nan")}}}, "above 0 and at most 16"),
        ({"factors": {"mine": {"nope": 2.0}}}, "no layer 'nope'; choose from '0', '2'"),
        ({"factors": {"mine": {"4": 2.0}}}, "network's outputs. Choose from '0', '2'"),
        ({"factors": {"mine": {"0": 2.0}}, "exclude": ["0"]}, "in `exclude` and in `factors`"),
        ({"progress": "yes"}, "True, False or a function"),
    ],
)
def test_an_argument_that_is_not_allowed(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said), exporting_once():
        analyze(NET, DATA, **{"progress": False, **options})


def test_numbers_of_numpy_are_numbers() -> None:
    options = {"blocks": np.int64(2), "seed": np.int64(1), "pruning_ratio": np.float32(0.5)}
    assert found(**options).summary["samples"] == 4


@pytest.mark.parametrize("network", ["net.pt2", nn.Linear, NET.state_dict(), None])
def test_what_is_no_network(network: Any) -> None:
    with pytest.raises(ArgumentError, match=r"must be a torch\.nn\.Module or an ExportedProgram"):
        analyze(network, DATA, progress=False)


def test_a_network_without_weights() -> None:
    with pytest.raises(ArgumentError, match="meta device"):
        analyze(nn.Linear(6, 2, device="meta"), DATA, progress=False)


@pytest.mark.parametrize("ratio", [2, -1, 0, float("nan"), "half", True])
def test_a_ratio_that_can_not_be_pruned(ratio: Any) -> None:
    with pytest.raises(ArgumentError, match="it must lie between 0 and 1"):
        found().prune(ratio)


def test_a_plan_that_there_is_not() -> None:
    analysis = found(factors={"mine": {"0": 2.0}})
    names = "'double', 'uniform', 'reallocate', 'mine'"
    for plan in ("nosuch", 3):
        with pytest.raises(ArgumentError, match=f"no plan .*; choose from {names}"):
            analysis.widen(plan)  # type: ignore[arg-type]  # as a user may
    with pytest.raises(ArgumentError, match="choose from 'preserve', 'fresh'"):
        analysis.widen("mine", init="foo")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no cost 'foo'"):
        analysis.prune(0.5, cost="foo")  # type: ignore[arg-type]
    other = analyze(NET[:3], [(torch.ones(4, 6), torch.arange(4))], progress=False)
    with pytest.raises(ArgumentError, match="of another network"):
        analysis.widen(other.plans["double"])


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (F.cross_entropy, "returns a mean; it must return the sum"),
        (nn.CrossEntropyLoss(reduction="none"), "must return one number"),
        (lambda _outputs, _targets: 1.0, "returns float"),
        (lambda outputs, targets: F.nll_loss(outputs.flatten(), targets), "can't compare outputs"),
    ],
)
def test_a_loss_of_ones_own_is_a_sum(loss: Any, said: str) -> None:
    with pytest.raises(TargetsError, match=said):
        found(loss=loss)
