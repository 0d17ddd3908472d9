"""Every method against its definition, by brute force in double precision.

See docs/method.md, "Definitions" and "Facts that are tested".
"""

import gc
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from narrows.batch import Batch
from narrows.channels.groups import find_channels
from narrows.gates.gated_network import GatedNetwork, gate
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES, Loss
from narrows.methods import (
    exact,
    fisher,
    gauss_newton,
    greedy,
    joint,
    magnitude,
    obs,
    ridge,
    sosp_h,
    sosp_i,
)
from narrows.methods.criterion import MethodOptions
from narrows.methods.greedy import Gram
from narrows.methods.partial_sums import Averages
from narrows.methods.sample_gradients import sample_gradients
from narrows.methods.table import Method
from narrows.surgery import resize
from narrows.vocabulary import CURVATURE_METHODS, METHODS, GateKind, MethodName
from tests.support.architectures import (
    AutoEncoder,
    LanguageModel,
    MobileNet,
    PlainNet,
    ResidualNet,
    Tagger,
    Transformer,
)
from tests.support.exporting import (
    exported,
    exporting_once,
    randomized,
    read_back,
    shared_module,
)
from tests.support.surgery import analysed

KINDS: tuple[GateKind, ...] = ("weights", "channel")


def opened(
    architecture: type[nn.Module], kind: GateKind = "weights"
) -> tuple[tuple[Tensor, ...], GatedNetwork]:
    _, inputs, network = exported(architecture)
    return inputs, gate(*analysed(network), kind)


def of_gates(gated: GatedNetwork, inputs: tuple[Tensor, ...], outputs: Any) -> Tensor:
    """The derivative of `outputs(f(m))`, a vector, along m at one: [outputs, S]."""
    ones = torch.ones(1, gated.structures).double()
    result = torch.func.jacrev(lambda m: outputs(gated.at(m, *inputs)))(ones)
    return cast("Tensor", result).reshape(-1, gated.structures)


def gauss_newton_matrix(
    gated: GatedNetwork, inputs: tuple[Tensor, ...], targets: Tensor, loss: Loss
) -> Tensor:
    """`1/N Σ_n J_nᵀ R_n J_n` [S, S], sample by sample, R by differentiating the loss twice."""
    total = torch.zeros(gated.structures, gated.structures).double()
    for n in range(len(targets)):
        one = tuple(x[n : n + 1] for x in inputs)
        y = targets[n : n + 1]
        f = gated.at(torch.ones(1, gated.structures).double(), *one)
        r = torch.func.hessian(lambda f, y=y: loss(f, y))(f)
        r = cast("Tensor", r).reshape(f.numel(), f.numel())
        j = of_gates(gated, one, lambda f: f.flatten())
        total += j.T @ r @ j
    return total / len(targets)


EXACT = MethodOptions("exact")
CASES = [
    (PlainNet, "cross_entropy"),
    (ResidualNet, "cross_entropy"),
    (MobileNet, "mse"),
    (ResidualNet, "bce_with_logits"),
    (Transformer, "mse"),
    (LanguageModel, "cross_entropy"),
]


def targets_of(gated: GatedNetwork, inputs: tuple[Tensor, ...], loss: str) -> Tensor:
    outputs = gated.original(*inputs)[0]
    if loss == "cross_entropy":
        shape = outputs.shape[:-1] if outputs.dim() == 3 else outputs.shape[:1]
        return torch.randint(outputs.shape[-1], shape)
    return torch.rand_like(outputs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("architecture", "name"), CASES)
def test_the_exact_factor_is_one_of_the_gauss_newton_matrix(
    architecture: type[nn.Module], name: str, kind: GateKind
) -> None:
    inputs, gated = opened(architecture, kind)
    targets, loss = targets_of(gated, inputs, name), LOSSES[name]
    partial_sums = gauss_newton.measure(gated, Batch(inputs, targets), loss, EXACT)
    factor = partial_sums.averages.factor
    expected = gauss_newton_matrix(gated, inputs, targets, loss)
    error = np.abs(factor.T @ factor - expected.numpy()).max()
    assert error <= 1e-6 * expected.abs().max()  # rows are kept in single precision
    total = expected.sum(1).numpy()
    np.testing.assert_allclose(
        gauss_newton.along_all(partial_sums.averages), total, atol=1e-6 * np.abs(total).max()
    )
    assert factor.sum(1) @ factor.sum(1) == pytest.approx(float(expected.sum()), rel=1e-6)  # fact 4


def test_the_drawn_factor_has_the_gauss_newton_matrix_as_its_mean() -> None:
    (x,), gated = opened(ResidualNet)
    targets, loss = torch.randint(5, (len(x),)), LOSSES["cross_entropy"]
    expected = gauss_newton_matrix(gated, (x,), targets, loss).numpy()
    total = np.zeros_like(expected)
    for seed in range(20):  # of 30 drawings each
        batch = Batch((x.repeat(30, 1, 1, 1),), targets.repeat(30), seed)
        factor = gauss_newton.measure(gated, batch, loss).averages.factor
        assert len(factor) == len(batch)  # one backward pass, one row a sample
        total += factor.T @ factor / 20
    assert np.abs(total - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", [PlainNet, MobileNet, Transformer, Tagger, AutoEncoder])
def test_samples_are_differentiated_by_themselves(
    architecture: type[nn.Module], kind: GateKind
) -> None:
    inputs, gated = opened(architecture, kind)
    outputs = gated.original(*inputs)[0]
    targets, loss = torch.rand_like(outputs), LOSSES["mse"]
    partial_sums = fisher.measure(gated, Batch(inputs, targets), loss)
    rows = [
        of_gates(gated, one.inputs, lambda f, one=one: loss(f, one.targets))
        for one in Batch(inputs, targets).split(1)
    ]
    alone = torch.cat(rows)
    np.testing.assert_allclose(partial_sums.sums["first"][0], alone.sum(0), atol=1e-12)
    np.testing.assert_allclose(partial_sums.sums["squares"][0], alone.square().sum(0), atol=1e-12)


class Mixed(nn.Module):
    """Samples lie where nobody looks for them: behind the tokens, in one dimension with them."""

    def __init__(self, *, flat: bool) -> None:
        super().__init__()
        self.flat = flat
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:  # [batch, 6, 3]
        x = x.transpose(0, 1)
        if self.flat:
            hidden = self.first(x.reshape(-1, 3)).tanh()
            return self.second(hidden).reshape(6, -1, 4).mean(0)
        return self.second(self.first(x).tanh()).mean(0)


@pytest.mark.parametrize("flat", [False, True])
def test_samples_are_found_wherever_they_are(flat: bool) -> None:
    x, y = torch.randn(4, 6, 3).double(), torch.randint(4, (4,))
    network, channels = analysed(read_back(randomized(Mixed(flat=flat)), x))
    found = sample_gradients(gate(network, channels), Batch((x,), y), LOSSES["cross_entropy"])
    for n in range(4):
        part = Batch((x[n : n + 1],), y[n : n + 1])
        alone = sosp_h.measure(gate(network, channels), part, LOSSES["cross_entropy"])
        np.testing.assert_allclose(found.gradient[n], alone.sums["first"][0], atol=1e-12)


class Coupled(nn.Module):
    """Samples that influence each other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        return self.second((hidden - hidden.mean(0)).tanh())


@pytest.mark.parametrize("module", [Mixed(flat=True), Coupled()])
def test_a_fixed_batch_that_mixes_samples_is_refused(module: nn.Module) -> None:
    x = torch.randn(4, 6, 3).double() if isinstance(module, Mixed) else torch.randn(4, 3).double()
    batch, loss = Batch((x,), torch.randint(4, (4,))), LOSSES["cross_entropy"]
    network, channels = analysed(read_back(randomized(module), x, dynamic=False))
    with pytest.raises(ValueError, match="export it with a dynamic batch"):
        sample_gradients(gate(network, channels), batch, loss)


def test_a_fixed_batch_is_taken_whole() -> None:
    inputs = exported(ResidualNet).inputs
    batch, loss = Batch(inputs, torch.randint(5, (len(inputs[0]),))), LOSSES["cross_entropy"]
    networks = [exported(ResidualNet, dynamic=free).network for free in (True, False)]
    found = [sample_gradients(gate(*analysed(network)), batch, loss) for network in networks]
    torch.testing.assert_close(found[0].gradient, found[1].gradient)


@pytest.mark.parametrize("architecture", [PlainNet, ResidualNet, MobileNet])
def test_exact_is_the_loss_of_the_network_without_the_channel(
    architecture: type[nn.Module],
) -> None:
    inputs, gated = opened(architecture, "channel")
    loss, targets = LOSSES["cross_entropy"], torch.randint(5, (len(inputs[0]),))
    change = exact.measure(gated, Batch(inputs, targets), loss).averages.means["change"]
    before = loss(gated.original(*inputs)[0], targets)
    for structure in range(gated.structures):
        copies = np.ones(gated.structures, np.int64)
        copies[structure] = 0
        if (copies[gated.channels.groups == gated.channels.groups[structure]] == 0).all():
            continue  # a layer needs a channel
        without = resize(gated.original, gated.channels, copies)
        after = loss(without(*inputs)[0], targets)
        assert change[structure] == pytest.approx((after - before).item() / len(targets), abs=1e-9)


class LastLinear(nn.Module):
    """A network linear in the gates of its last hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.hidden, self.head = nn.Linear(4, 6), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.first(x).tanh()))


def test_the_second_order_is_exact_where_loss_and_network_are_quadratic() -> None:
    """Fact 2: for squared loss, `−θ_M·g + ½ θ_Mᵀ H θ_M` is the true change, for every mask."""
    x, y = torch.randn(9, 4).double(), torch.randn(9, 3).double()
    network = read_back(randomized(LastLinear()), x)
    channels = find_channels(network, trace_shapes(network), exclude=["first"])
    gated, loss = gate(network, channels), LOSSES["mse"]
    averages = gauss_newton.measure(gated, Batch((x,), y), loss, EXACT).averages
    rng = np.random.default_rng(0)
    before = loss(network(x)[0], y).item() / 9
    for _ in range(20):
        mask = rng.random(len(channels)) < 0.5
        m = torch.from_numpy(np.where(mask, 0.0, 1.0))[None]
        after = loss(gated.at(m, x), y).item() / 9
        along = averages.factor @ mask
        predicted = -averages.means["first"][mask].sum() + 0.5 * along @ along
        assert predicted == pytest.approx(after - before, rel=1e-5, abs=1e-7 * before)
    order = joint.order(averages)
    last = int(np.argmax(order.rank))
    everything = loss(gated.at(torch.zeros(1, 8).double(), x), y).item() / 9
    assert order.saliency[last] == pytest.approx(abs(everything - before), rel=1e-5)


def averages(structures: int = 9, rows: int = 20, seed: int = 0) -> Averages:
    rng = np.random.default_rng(seed)
    first = 0.3 * rng.standard_normal(structures)
    return Averages(1.0, {"first": first}, rng.standard_normal((rows, structures)) / rows**0.5)


def unsigned(found: Averages, chosen: list[int]) -> float:
    """λ_I of a set, as docs/method.md writes it."""
    q = np.abs(found.factor.T @ found.factor)
    return float(np.abs(found.means["first"][chosen]).sum() + 0.5 * q[np.ix_(chosen, chosen)].sum())


def signed(found: Averages, chosen: list[int]) -> float:
    q = found.factor.T @ found.factor
    return abs(float(-found.means["first"][chosen].sum() + 0.5 * q[np.ix_(chosen, chosen)].sum()))


def adapted(found: Averages, chosen: list[int]) -> float:
    """λ_O of a set: the least loss with its gates at 0, by the conditions of the minimum."""
    count = found.factor.shape[1]
    q = found.factor.T @ found.factor
    damped = q + ridge.DAMPING * np.trace(q) / count * np.eye(count)
    others = np.delete(np.arange(count), chosen)
    x = np.full(count, -1.0)
    x[others] = np.linalg.solve(damped[np.ix_(others, others)], damped[others][:, chosen].sum(1))
    return float(0.5 * x @ damped @ x)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("formed", [True, False])
def test_obs_takes_what_is_missed_least_once_all_others_have_adapted(
    formed: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obs, "FORMED", 9 if formed else 8)
    found = averages(9, 6, seed)
    removal = obs.order(found, options=MethodOptions(blocks=9))
    chosen: list[int] = []
    for structure in np.argsort(removal.rank).tolist():
        left = [s for s in range(9) if s not in chosen]
        sets = {s: adapted(found, [*chosen, s]) for s in left}
        assert min(sets, key=lambda s: sets[s]) == structure
        before = adapted(found, chosen) if chosen else 0.0
        assert removal.saliency[structure] == pytest.approx(sets[structure] - before, rel=1e-8)
        chosen.append(structure)


def test_obs_in_one_block_goes_by_worth() -> None:
    found = averages(30, 40)
    q = found.factor.T @ found.factor
    damped = q + ridge.DAMPING * np.diag(q).mean() * np.eye(30)
    order = obs.order(found, options=MethodOptions(blocks=1))
    expected = 0.5 / np.diag(np.linalg.inv(damped))
    np.testing.assert_allclose(order.saliency, expected, rtol=1e-8)
    np.testing.assert_array_equal(np.argsort(order.rank), np.argsort(expected))
    in_blocks = obs.order(found, options=MethodOptions(blocks=5)).rank
    assert sorted(in_blocks) == list(range(30))
    assert (in_blocks != order.rank).any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("order", "of_set"), [(sosp_i.order, unsigned), (joint.order, signed)])
def test_greedy_orders_take_what_the_definition_says(order: Any, of_set: Any, seed: int) -> None:
    found = averages(seed=seed)
    removal = order(found)
    chosen: list[int] = []
    for structure in np.argsort(removal.rank).tolist():
        candidates = {
            s: of_set(found, [*chosen, s]) for s in range(len(removal.rank)) if s not in chosen
        }
        assert min(candidates, key=lambda s: candidates[s]) == structure
        step = candidates[structure] - (of_set(found, chosen) if order is sosp_i.order else 0)
        assert removal.saliency[structure] == pytest.approx(step, abs=1e-12)
        chosen.append(structure)


@pytest.mark.parametrize("order", [sosp_i.order, joint.order])
def test_a_block_for_each_removal_is_no_block_at_all(order: Any) -> None:
    found = averages(30, 40)
    np.testing.assert_array_equal(
        order(found, options=MethodOptions(blocks=30)).rank, order(found).rank
    )
    in_blocks = order(found, options=MethodOptions(blocks=5)).rank
    assert sorted(in_blocks) == list(range(30))
    assert (in_blocks != order(found).rank).any()


@pytest.mark.parametrize("order", [sosp_i.order, joint.order])
def test_what_does_not_fit_goes_in_blocks(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = averages(250, 40)
    whole = order(found, options=MethodOptions(blocks=84)).rank
    monkeypatch.setattr(greedy, "FORMED", 100)
    monkeypatch.setattr(greedy, "BLOCKS", 84)
    np.testing.assert_array_equal(order(found).rank, whole)


@pytest.mark.parametrize("name", ["sosp_h", "sosp_i", "joint", "obs"])
def test_what_costs_more_goes_earlier(name: Any) -> None:
    found = averages(30, 40)
    found = Averages(1.0, {**found.means, "second": found.means["first"]}, found.factor)
    costs = np.ones(30)
    costs[7] = 100.0
    order = Method(name).order
    assert order(found, costs).rank[7] < order(found, 1.0).rank[7]


def test_a_gram_matrix_is_the_same_formed_or_not() -> None:
    factor = averages(12).factor
    formed, columns = Gram(factor), Gram(factor, form=False)
    for s in range(12):
        np.testing.assert_allclose(formed.column(s), columns.column(s))
        several = np.arange(s)
        np.testing.assert_allclose(formed.absolute_sum(several), columns.absolute_sum(several))
        assert formed.diagonal[s] == pytest.approx(formed.column(s)[s])


def test_magnitude_is_the_norm_of_all_rows_of_a_structure() -> None:
    _, gated = opened(ResidualNet)
    squares, relative = magnitude.square_norms(gated.original, gated.channels)
    tensors = gated.original.tensors
    for structure, members in enumerate(gated.channels.members()):
        total = 0.0
        for name, channel in members:
            total += tensors[f"{name}.weight"][channel].square().sum().item()
            if f"{name}.bias" in tensors:
                total += tensors[f"{name}.bias"][channel].item() ** 2
        assert squares[structure] == pytest.approx(total)
    for layer in gated.channels.layers:
        members_of = gated.channels.groups == layer.group
        alone = sum(other.group == layer.group for other in gated.channels.layers) == 1
        if layer.group is not None and alone:
            assert relative[members_of].mean() == pytest.approx(1.0)


class WithLoss(nn.Module):
    """A program that computes its own loss."""

    def __init__(self, body: nn.Module, *, mean: bool) -> None:
        super().__init__()
        self.body, self.reduction = body, "mean" if mean else "none"

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.body(x), y, reduction=self.reduction)


@cache
def with_loss(*, mean: bool) -> WithLoss:
    return WithLoss(shared_module(ResidualNet), mean=mean)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("name", ["sosp_h", "first_order", "fisher", "exact", "magnitude"])
def test_a_programs_own_loss_gives_what_ours_gives(name: Any, mean: bool) -> None:
    module = with_loss(mean=mean)
    torch.manual_seed(1)
    batches = [(torch.randn(6, 3, 8, 8).double(), torch.randint(5, (6,))) for _ in range(2)]
    with exporting_once():
        own = analyze(module, batches, method=name, loss="model", progress=False)
        ours = analyze(module.body, batches, method=name, progress=False)
    np.testing.assert_allclose(own.saliency, ours.saliency, rtol=1e-9, atol=1e-14)
    assert own.loss == pytest.approx(ours.loss)


def test_a_loss_of_unknown_curvature_is_refused_where_it_matters() -> None:
    x, y = torch.randn(4, 3, 8, 8).double(), torch.randint(5, (4,))
    module, loss = shared_module(PlainNet), LOSSES["mse"].value
    for name in ("sosp_i", "joint", "obs"):
        with exporting_once(), pytest.raises(ValueError, match="needs the curvature of the loss"):
            analyze(module, [(x, y)], method=name, loss=loss, progress=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_whole_analysis(name: Any, kind: GateKind) -> None:
    module = shared_module(MobileNet)
    torch.manual_seed(1)
    batches = [(torch.randn(4, 3, 8, 8).double(), torch.randint(5, (4,))) for _ in range(9)]
    with exporting_once():
        found = analyze(module, batches, method=name, gate=kind, progress=False).to_dict()
    assert sorted(row["rank"] for row in found["structures"]) == list(range(6))
    assert all(np.isfinite(row["saliency"]) for row in found["structures"])
    (stem,) = (row for row in found["layers"] if row["name"] == "stem.0")
    by_worth = name in CURVATURE_METHODS
    assert found["summary"]["rule"] == ("worth" if by_worth else "pruning_ratio")
    assert (stem["worth"] is None) == (not by_worth)
    assert stem["verdict"] == "undecided"  # the network is not trained
    assert "not better than the best constant answer" in stem["because"]
    assert stem["widen_rank"] is None
    assert stem["score_interval"][0] <= stem["score"] <= stem["score_interval"][1]


@pytest.mark.parametrize("name", ["sosp_h", "sosp_i"])
def test_what_a_batch_takes_is_freed_at_once(name: MethodName) -> None:
    """No cycle of references keeps a batch's values until the garbage is collected."""
    _, inputs, network = exported(Transformer)
    gated = gate(network, analysed(network)[1], "channel")
    batch = Batch(inputs, network(*inputs)[0].argmax(-1))
    method, loss = Method(name), LOSSES["cross_entropy"]
    method.measure(gated, batch, loss)  # what is cached is made
    gc.collect()
    gc.disable()
    try:
        method.measure(gated, batch, loss)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not any(isinstance(item, Tensor) for item in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
