"""Planted narrow layers are found: in networks trained here, and by the stored evidence."""

from typing import Any

import pytest
import torch

from benchmarks.architecture import Architecture
from benchmarks.data import load
from benchmarks.planted import Judged, fitted
from benchmarks.planted_evidence import Evidence, Store, to_arrays
from benchmarks.planted_networks import NONE, ONE, planted_networks
from benchmarks.stacked_training import Schedule, fit
from narrows import Analysis, analyze

SCHEDULE = Schedule(samples=1200, epochs=8, batch=100, peak_rate=2e-2, weight_decay=0.3)


def trained(kind: str, *widths: int, **options: Any) -> Analysis:
    data = load("digits", SCHEDULE.samples, 0)
    (network,) = fit(Architecture(kind, widths), SCHEDULE, [data], [0])
    batches = zip(torch.split(data.images, 64), torch.split(data.classes, 64), strict=True)
    return analyze(network, batches, progress=False, **options)


@pytest.mark.parametrize(
    ("kind", "widths", "named"),
    [
        ("plain", (12, 12, 3, 12), ["conv3"]),
        ("mlp", (16, 4, 16), ["linear2"]),
        ("residual", (12, 3, 12, 12, 12), ["conv2"]),  # inside a block
        ("plain", (8, 8, 8, 8), []),
    ],
)
def test_a_planted_layer_is_named_and_no_other(
    kind: str, widths: tuple[int, ...], named: list[str]
) -> None:
    analysis = trained(kind, *widths)
    assert analysis.named("bottleneck") == named
    if named:
        assert analysis.widen_ranks[named[0]] == 1
    ranks = {r for r in analysis.widen_ranks.values() if r is not None}
    assert ranks == set(range(1, len(analysis.cases.owned) + 1))


def test_a_method_without_worth_says_that_it_goes_by_the_pruning_ratio() -> None:
    analysis = trained("mlp", 16, 4, 16, method="fisher")
    assert analysis.summary["rule"] == "pruning_ratio"
    (narrow,) = (row for row in analysis.layers if row["name"] == "linear2")
    assert "of its channels are pruned, 95 % interval" in narrow["because"]
    assert "by the rule pruning_ratio, since fisher does not measure worth" in narrow["because"]
    assert (narrow["promise"], narrow["widen_rank"]) == (None, None)


@pytest.fixture(scope="module")
def stored() -> list[Evidence]:
    """The evidence on the first networks with one narrow layer, and with none."""
    store = Store()
    kept = [network for network in planted_networks() if store.path(network).exists()]
    return [
        evidence
        for setting in (ONE, NONE)
        for network in [n for n in kept if n.setting == setting][:4]
        for evidence in store.read(network)
    ]


def test_the_stored_evidence_says_so_too(stored: list[Evidence]) -> None:
    judged = [Judged(evidence) for evidence in stored]
    assert len(judged) == 16
    assert all(row.is_clean for row in judged)
    assert all(row.has_found_all for row in judged if row.evidence.narrow)
    assert set(fitted(stored).values()) <= {2.0, 3.0}


def test_evidence_is_stored_whole() -> None:
    """What is read back gives the verdicts of the analysis."""
    network = next(n for n in planted_networks() if n.setting == ONE)
    (first, _) = Store().read(network)
    assert {len(own) for own in first.cases.owned.values()} == set(network.architecture.widths)
    analysis = trained("plain", 12, 12, 3, 12)
    arrays = to_arrays(analysis, accuracy=0.9)
    assert arrays["worth"] == pytest.approx(analysis.worth and analysis.worth.of_structures)
    assert arrays["ranks"][0].tolist() == analysis.rank.tolist()
