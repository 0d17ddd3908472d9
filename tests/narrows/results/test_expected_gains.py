"""The expected gains of an analysis: what a layer promises, and when nothing can be expected."""

from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from narrows import Analysis, analyze
from narrows.results.expected_gains import promises
from narrows.verdict.gain import calibration

INPUTS, WIDTH, CLASSES = 6, 8, 4


def network() -> nn.Module:
    torch.manual_seed(0)
    head = nn.Linear(WIDTH, CLASSES)
    head.weight.data *= 20  # sure of its answers
    return nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.Tanh(), head)


def data(net: nn.Module, batches: int = 10) -> list[tuple[Tensor, Tensor]]:
    """Return inputs with the classes that the network would say."""
    inputs = torch.randn(batches, 16, INPUTS, generator=torch.Generator().manual_seed(1))
    return [(x, net(x).argmax(1)) for x in inputs]


@cache
def analysed() -> Analysis:
    return analyze(net := network(), data(net), progress=False)


def test_a_layer_promises_its_worth_times_what_a_percent_buys_as_a_share_of_the_loss() -> None:
    (row, _) = analysed().layers
    whole = (INPUTS + 1) * WIDTH + (WIDTH + 1) * CLASSES
    growth = {
        "parameters": 0.01 * whole / (INPUTS + 1 + CLASSES) / WIDTH,
        "macs": 0.01,  # each neuron costs as much as any other
    }
    for cost, (promise, limits) in promises(analysed())["0"].items():
        factor = growth[cost] / analysed().loss
        assert promise == pytest.approx(row["worth"] * factor)
        assert limits == pytest.approx([end * factor for end in row["worth_interval"]])


def test_gains_are_those_of_the_calibration_in_units_of_the_loss() -> None:
    row, head = (layer["expected_gain"] for layer in analysed().layers)
    assert head is None
    for cost, promise in promises(analysed())["0"].items():
        share, (low, high) = calibration().curves[cost].expected(*promise)
        loss = analysed().loss
        assert row[cost]["gain"] == pytest.approx(loss * share)
        assert row[cost]["interval"] == pytest.approx((loss * low, loss * high))
        assert row[cost]["gain"] > 0
    assert analysed().summary["gain_basis"].startswith("Expected gains were calibrated on 35")
    line, basis = repr(analysed()).splitlines()[-2:]
    assert line.startswith("Widening 0 is expected to gain most: ")
    assert basis == analysed().gain_basis


def test_what_is_larger_than_the_calibrated_networks_is_said_to_be_extrapolated() -> None:
    text = analysed().gain_basis
    parameters = (INPUTS + 1) * WIDTH + (WIDTH + 1) * CLASSES
    assert f"{parameters} parameters (theirs: 676 to 4,066)" in text
    assert "do not trust their size" in text


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"method": "sosp_h"}, "'sosp_h' does not measure worth"),
        ({"gate": "weights"}, "gates on channels"),
        ({"loss": partial(nn.functional.cross_entropy, reduction="sum")}, "not measure worth"),
    ],
)
def test_no_gain_without_what_it_was_calibrated_for(options: dict[str, Any], why: str) -> None:
    net = network()
    expect_none(analyze(net, data(net), progress=False, **options), why)


def test_no_gain_for_other_losses() -> None:
    net = network()
    targets = [(x, net(x).detach() + 0.01) for x, _ in data(net)]
    expect_none(analyze(net, targets, loss="mse", progress=False), "cross-entropy of classes")


def test_no_gain_where_verdicts_are_withheld() -> None:
    net = network()
    turned = [(x, (y + 1) % CLASSES) for x, y in data(net)]
    expect_none(analyze(net, turned, progress=False), "better than the best constant answer")


def test_no_gain_from_too_few_batches() -> None:
    net = network()
    expect_none(analyze(net, data(net, batches=7), progress=False), "too few batches")


def expect_none(analysis: Analysis, why: str) -> None:
    assert analysis.gain_basis.startswith("No gain is expected: ")
    assert why in analysis.gain_basis
    assert analysis.expected_gains == {}
    assert [layer["expected_gain"] for layer in analysis.layers] == [None, None]
    assert "expected to gain" not in repr(analysis)
