"""Worth against its definition, in double precision.

See docs/method.md, "Worth".
"""

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows import analyze
from narrows.arrays import Floats, Ints
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.graph.shapes import trace_shapes
from narrows.methods import ridge
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ridge import DAMPING, Rows
from narrows.verdict import worth as module
from narrows.verdict.worth import Worth, worth
from narrows.vocabulary import CURVATURE_METHODS, METHODS, MethodName
from tests.support.exporting import randomized, read_back

BATCHES, SAMPLES = 10, 6
SHAPES = st.tuples(st.integers(1, 90), st.integers(0, 2**32 - 1))
"""The number of structures, fewer and more than a third of the rows, and a seed."""


def random_factor(structures: int, seed: int = 0) -> Floats:
    """Columns of very different sizes, some nearly equal to others, as structures are."""
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((BATCHES * SAMPLES, max(1, structures // 2)))
    mixed = few @ rng.standard_normal((few.shape[1], structures))
    noisy = mixed + 0.1 * rng.standard_normal(mixed.shape)
    return noisy * 10.0 ** rng.uniform(-1, 1, structures)


def sums_of(factor: Floats, batches: int = BATCHES) -> PartialSums:
    """A factor in double precision; real ones have float32, which is exact in it."""
    samples = np.full(batches, len(factor) // batches)
    return PartialSums(np.zeros(batches), samples, factor=cast("Any", factor))


def structure_worth(factor: Floats) -> Floats:
    found = worth(sums_of(factor))
    assert found is not None
    return found.of_structures


def damped(factor: Floats) -> Floats:
    matrix = factor.T @ factor / len(factor)
    result: Floats = matrix + DAMPING * np.diag(matrix).mean() * np.eye(len(matrix))
    return result


@given(SHAPES)
def test_it_is_half_over_the_diagonal_of_the_inverse(shape: tuple[int, int]) -> None:
    factor = random_factor(*shape)
    expected = 0.5 / np.diag(np.linalg.inv(damped(factor)))
    np.testing.assert_allclose(structure_worth(factor), expected, rtol=1e-8)


@pytest.mark.parametrize("structures", [1, 12, 80])
def test_it_is_the_rise_of_the_quadratic_model_once_all_others_have_adapted(
    structures: int,
) -> None:
    factor = random_factor(structures)
    matrix, found = damped(factor), structure_worth(factor)
    for removed in range(structures):
        others = np.delete(np.arange(structures), removed)
        change = np.full(structures, -1.0)  # the gate of what is removed goes from 1 to 0
        change[others] = np.linalg.solve(matrix[np.ix_(others, others)], matrix[others, removed])
        gradient = matrix @ change
        np.testing.assert_allclose(gradient[others], 0, atol=1e-9 * np.abs(matrix).max())
        assert found[removed] == pytest.approx(0.5 * change @ matrix @ change, rel=1e-8)


@given(SHAPES)
def test_the_order_of_structures_does_not_matter(shape: tuple[int, int]) -> None:
    factor = random_factor(*shape)
    order = np.random.default_rng(shape[1]).permutation(shape[0])
    found = structure_worth(factor)
    np.testing.assert_allclose(structure_worth(factor[:, order]), found[order], rtol=1e-8)


@given(SHAPES)
def test_equals_are_worth_as_much_and_less_than_one_alone(shape: tuple[int, int]) -> None:
    factor = random_factor(*shape)
    doubled = structure_worth(np.hstack([factor, factor]))
    np.testing.assert_allclose(doubled[: shape[0]], doubled[shape[0] :], rtol=1e-8)
    assert (doubled[: shape[0]] <= structure_worth(factor) * (1 + 1e-8)).all()


@pytest.mark.parametrize("structures", [12, 80])
def test_a_dead_channel_is_worth_nothing(structures: int) -> None:
    factor = random_factor(structures)
    factor[:, [0, 7]] = [0.0, 1e-9]
    found = worth(sums_of(factor))
    assert found is not None
    assert (found.of_structures[[0, 7]] == 0).all()
    assert (found.without[:, [0, 7]] == 0).all()
    assert (np.delete(found.of_structures, [0, 7]) > 0).all()
    assert not structure_worth(np.zeros((20, 3))).any()
    assert not structure_worth(np.zeros((20, 30))).any()


@pytest.mark.parametrize("structures", [40, 80])
def test_nothing_is_lost_where_channels_are_nearly_free(structures: int) -> None:
    """Every second channel is 10,000 times as large: its leverage is 1 up to 1e-9."""
    factor = random_factor(structures)
    factor[:, ::2] /= np.abs(factor[:, ::2]).max(0)
    factor[:, 1] *= 1e4 / np.abs(factor[:, 1]).max()
    expected = 0.5 / np.diag(np.linalg.inv(damped(factor)))
    found = structure_worth(factor)
    alive = found > 0
    np.testing.assert_allclose(found[alive], expected[alive], rtol=1e-6)


@pytest.mark.parametrize("structures", [3, 20, 40, 80])
@pytest.mark.parametrize("batches", [8, 10, 30])
def test_without_a_group_it_is_the_worth_of_the_others(structures: int, batches: int) -> None:
    rng = np.random.default_rng(1)
    factor = random_factor(structures)[: 60 // batches * batches]
    factor *= rng.uniform(0.5, 1.5, len(factor))[:, None]
    sums = sums_of(factor, batches)
    found = worth(sums)
    assert found is not None
    assert len(found.without) == min(20, batches)
    for group, without in enumerate(found.without):
        others = worth(sums.chosen(np.arange(batches) % 20 != group))
        assert others is not None
        # By rows, λ is corrected to first order; by columns there is nothing to correct.
        exact = 2 * structures < len(factor)
        np.testing.assert_allclose(without, others.of_structures, rtol=1e-8 if exact else 0.02)


def test_with_few_batches_there_are_no_replicates() -> None:
    found = worth(sums_of(random_factor(5)[:56], batches=7))
    assert found is not None
    assert found.without.shape == (0, 5)


def test_batches_that_do_not_count_change_nothing() -> None:
    factor = random_factor(80)
    batch = np.zeros((SAMPLES, 80))
    more = PartialSums(
        np.zeros(BATCHES + 2),
        np.full(BATCHES + 2, SAMPLES),
        factor=np.vstack([batch, factor, batch]),
        counted=np.array([0.0, *[SAMPLES] * BATCHES, 0.0]),
    )
    found, expected = worth(more), worth(sums_of(factor))
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found.of_structures, expected.of_structures, rtol=1e-8)
    np.testing.assert_allclose(found.without, expected.without, rtol=1e-8)


def test_where_a_gpu_has_no_room_it_is_computed_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def gram(factor: Floats, device: torch.device) -> Tensor:
        tried.append(device.type)
        if device.type == "cuda":
            raise torch.OutOfMemoryError
        return torch.from_numpy(factor.T @ factor)

    factor = random_factor(5)
    expected = structure_worth(factor)
    monkeypatch.setattr(ridge, "gram", gram)
    found = worth(sums_of(factor), torch.device("cuda"))
    assert found is not None
    np.testing.assert_allclose(found.of_structures, expected)
    assert tried[:2] == ["cuda", "cpu"]


def test_without_a_factor_there_is_none() -> None:
    assert worth(PartialSums(np.zeros(1), np.ones(1, np.int64))) is None


def test_too_many_rows_are_added_up_within_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    group = np.arange(1000) % 3
    rows = Rows.grouped(group, most=300)
    assert rows.starts == (0, 84, 168, 252)
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((6000, 4)) @ rng.standard_normal((4, 40))
    exact = structure_worth(factor)
    monkeypatch.setattr(module, "MOST_COLUMNS", 10)
    monkeypatch.setattr(module, "MOST_ROWS", 1500)
    np.testing.assert_allclose(structure_worth(factor), exact, rtol=0.2)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.neck, self.head = nn.Linear(6, 12), nn.Linear(12, 3), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = 3 * self.head(self.neck(self.stem(x).relu()).relu())
        return result


@pytest.mark.parametrize("method", METHODS)
def test_analyses_show_worth_where_the_method_measures_it(method: MethodName) -> None:
    data = [(torch.randn(16, 6), torch.randint(4, (16,))) for _ in range(9)]
    found = analyze(Net(), data, method=method, progress=False)
    layers = {layer["name"]: layer for layer in found.layers}
    names = ("worth", "worth_interval", "worth_ratio")
    assert [layers["head"][name] for name in names] == [None] * 3
    if method not in CURVATURE_METHODS:
        assert [layers["stem"][name] for name in names] == [None] * 3
        assert {row["worth"] for row in found.structures} == {None}
        return
    for layer in (layers["stem"], layers["neck"]):
        low, high = layer["worth_interval"]
        assert 0 <= low < layer["worth"] < high
        of_channels = [row["worth"] for row in found.structures if row["group"] == layer["group"]]
        assert layer["worth"] == pytest.approx(np.quantile(of_channels, 0.75))
    both = layers["stem"]["worth"] + layers["neck"]["worth"]
    assert layers["neck"]["worth_ratio"] == pytest.approx(2 * layers["neck"]["worth"] / both)
    assert f"{layers['neck']['worth_ratio']:.1f}×" in repr(found)


def channels_of(widths: tuple[int, int, int]) -> Channels:
    first, second, third = widths
    net = nn.Sequential(
        nn.Linear(4, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(),
        nn.Linear(second, third), nn.ReLU(), nn.Linear(third, 2),
    )  # fmt: skip
    network = read_back(randomized(net), torch.randn(2, 4).double())
    return find_channels(network, trace_shapes(network))


def of_widths(widths: tuple[int, int, int], levels: Ints, spread: float = 0.0) -> Worth:
    """Constant worths, a level a layer, that vary without groups of batches by a share."""
    of_structures = np.repeat(levels.astype(float), widths)
    factors = 1 + spread * np.linspace(-1, 1, 20)
    return Worth(of_structures, of_structures * factors[:, None])


def test_a_layer_is_held_against_the_median_layer() -> None:
    widths = (8, 4, 16)
    layers = of_widths(widths, np.array([2, 7, 1])).of_layers(channels_of(widths))
    assert [layers[name].worth_ratio for name in ("0", "2", "4", "6")] == [1.0, 3.5, 0.5, None]
    assert layers["2"] == (7.0, (7.0, 7.0), 3.5)
    assert layers["6"] == (None, None, None)


def test_the_interval_reaches_as_far_as_worth_grows_with_samples() -> None:
    widths = (8, 4, 16)
    steady = of_widths(widths, np.array([2, 7, 1]), 0.01)
    growing = Worth(steady.of_structures, 0.99 * steady.without)
    for name, level in (("0", 2), ("2", 7), ("4", 1)):
        low, high = steady.of_layers(channels_of(widths))[name].worth_interval or (0, 0)
        limits = growing.of_layers(channels_of(widths))[name].worth_interval
        assert low + high == pytest.approx(2 * level)
        assert limits is not None
        assert limits[0] == pytest.approx(level - 0.99 * (level - low))
        assert limits[1] == pytest.approx(level + 0.99 * (high - level) + 19 * 0.01 * level)


def test_a_layer_is_worth_the_upper_quartile_of_its_channels() -> None:
    found = Worth(np.array([*range(5), *[1.0] * 4]), np.empty((0, 9)))
    layers = found.of_layers(channels_of((5, 2, 2)))
    assert layers["0"] == (3.0, None, 3.0)


def test_where_the_median_layer_is_dead_there_is_no_ratio() -> None:
    widths = (2, 2, 2)
    layers = of_widths(widths, np.array([0, 0, 1]), 0.1).of_layers(channels_of(widths))
    assert [layer.worth_ratio for layer in layers.values()] == [None] * 4
    low, high = layers["4"].worth_interval or (0.0, 0.0)
    assert low < 1 < high
