"""Networks that return their own loss: every loss of torch exports, is read, and is differentiated.

The yardstick differentiates torch's own loss of the module itself, whose hidden units are scaled.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from narrows.batch import Batch
from narrows.gates.gated_network import gate
from narrows.losses import LOSSES
from narrows.methods import sosp_h
from tests.support.exporting import randomized, read_back
from tests.support.surgery import analysed

Criterion = Callable[..., Tensor]
"""(outputs [batch, 6], targets, reduction) → the loss."""

BATCH = 4
NUMBERS = torch.rand(BATCH, 6).double() * 0.9 + 0.05
SIGNS = NUMBERS.sub(0.5).sign()
CLASSES = torch.tensor([0, 5, 2, 1])
IGNORED = torch.tensor([0, -100, 2, -100])
LABELS = torch.tensor([[0, 3, -1, 0, 0, 0], [5, -1, 0, 0, 0, 0]] * 2)
WEIGHTS = torch.linspace(0.5, 2, 6).double()


MSE: Criterion = F.mse_loss  # torch's types leave out the weight
HUBER: Criterion = F.huber_loss


def _halves(y: Tensor) -> tuple[Tensor, Tensor]:
    return y[:, :3], y[:, 3:]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(-1)


CASES: dict[str, dict[str, tuple[Criterion, Tensor]]] = {
    "binary_cross_entropy": {
        "": (lambda y, t, **o: F.binary_cross_entropy(y.sigmoid(), t, **o), NUMBERS),
        "weight": (lambda y, t, **o: F.binary_cross_entropy(y.sigmoid(), t, WEIGHTS, **o), NUMBERS),
    },
    "binary_cross_entropy_with_logits": {
        "": (F.binary_cross_entropy_with_logits, NUMBERS),
        "weight": (partial(F.binary_cross_entropy_with_logits, weight=WEIGHTS), NUMBERS),
        "pos_weight": (partial(F.binary_cross_entropy_with_logits, pos_weight=WEIGHTS), NUMBERS),
    },
    "cosine_embedding_loss": {
        "": (lambda y, t, **o: F.cosine_embedding_loss(*_halves(y), t[:, 0], 0.1, **o), SIGNS),
    },
    "cross_entropy": {
        "": (F.cross_entropy, CLASSES),
        "smoothing": (partial(F.cross_entropy, label_smoothing=0.1), CLASSES),
        "weight": (partial(F.cross_entropy, weight=WEIGHTS), CLASSES),
        "ignored": (F.cross_entropy, IGNORED),
        "all of these": (
            partial(F.cross_entropy, weight=WEIGHTS, label_smoothing=0.1, ignore_index=2),
            CLASSES,
        ),
        "probabilities": (F.cross_entropy, NUMBERS.softmax(1)),
        "smoothed probabilities": (
            partial(F.cross_entropy, weight=WEIGHTS, label_smoothing=0.1),
            NUMBERS.softmax(1),
        ),
        "positions": (
            lambda y, t, **o: F.cross_entropy(y.unflatten(1, (3, 2)), t, **o),
            LABELS[:, :2] % 3,
        ),
    },
    "hinge_embedding_loss": {"": (partial(F.hinge_embedding_loss, margin=0.7), SIGNS)},
    "huber_loss": {
        "": (F.huber_loss, NUMBERS),
        "delta": (partial(F.huber_loss, delta=0.3), NUMBERS),
        "weight": (lambda y, t, **o: HUBER(y, t, weight=t, **o), NUMBERS),
    },
    "kl_div": {
        "": (lambda y, t, **o: F.kl_div(y.log_softmax(1), t, **o), NUMBERS.softmax(1)),
        "of logarithms": (
            lambda y, t, **o: F.kl_div(y.log_softmax(1), t, log_target=True, **o),
            NUMBERS.log_softmax(1),
        ),
        "by sample": (
            lambda y, t, **_: F.kl_div(y.log_softmax(1), t, reduction="batchmean"),
            NUMBERS,
        ),
    },
    "l1_loss": {"": (F.l1_loss, NUMBERS)},
    "margin_ranking_loss": {
        "": (lambda y, t, **o: F.margin_ranking_loss(*_halves(y), t[:, :3], 0.2, **o), SIGNS),
    },
    "mse_loss": {
        "": (F.mse_loss, NUMBERS),
        "weight": (lambda y, t, **o: MSE(y, t, weight=t, **o), NUMBERS),
    },
    "multi_margin_loss": {
        "": (F.multi_margin_loss, CLASSES),
        "squared": (partial(F.multi_margin_loss, p=2, margin=0.7, weight=WEIGHTS), CLASSES),
    },
    "multilabel_margin_loss": {"": (F.multilabel_margin_loss, LABELS)},
    "multilabel_soft_margin_loss": {
        "": (F.multilabel_soft_margin_loss, NUMBERS.round()),
        "weight": (partial(F.multilabel_soft_margin_loss, weight=WEIGHTS), NUMBERS.round()),
    },
    "nll_loss": {
        "": (lambda y, t, **o: F.nll_loss(y.log_softmax(1), t, **o), CLASSES),
        "weight": (lambda y, t, **o: F.nll_loss(y.log_softmax(1), t, WEIGHTS, **o), CLASSES),
        "ignored": (lambda y, t, **o: F.nll_loss(y.log_softmax(1), t, **o), IGNORED),
        "positions": (
            lambda y, t, **o: F.nll_loss(y.unflatten(1, (3, 1, 2)).log_softmax(1), t, **o),
            LABELS[:, None, :2] % 3,
        ),
    },
    "poisson_nll_loss": {
        "": (F.poisson_nll_loss, NUMBERS * 3),
        "full": (partial(F.poisson_nll_loss, full=True), NUMBERS * 3),
        "rates": (lambda y, t, **o: F.poisson_nll_loss(y.exp(), t, log_input=False, **o), NUMBERS),
    },
    "smooth_l1_loss": {
        "": (F.smooth_l1_loss, NUMBERS),
        "beta": (partial(F.smooth_l1_loss, beta=0.3), NUMBERS),
        "no beta": (partial(F.smooth_l1_loss, beta=0.0), NUMBERS),
    },
    "soft_margin_loss": {"": (F.soft_margin_loss, SIGNS)},
    "triplet_margin_loss": {
        "": (lambda y, t, **o: F.triplet_margin_loss(*_halves(y), t[:, :3], **o), NUMBERS),
        "swapped": (
            lambda y, t, **o: F.triplet_margin_loss(*_halves(y), t[:, :3], swap=True, **o),
            NUMBERS,
        ),
        "sum of differences": (
            lambda y, t, **o: F.triplet_margin_loss(*_halves(y), t[:, :3], p=1, **o),
            NUMBERS,
        ),
    },
    "triplet_margin_with_distance_loss": {
        "": (
            lambda y, t, **o: F.triplet_margin_with_distance_loss(*_halves(y), t[:, :3], **o),
            NUMBERS,
        ),
        "own distance": (
            lambda y, t, **o: F.triplet_margin_with_distance_loss(
                *_halves(y), t[:, :3], distance_function=_distance, swap=True, **o
            ),
            NUMBERS,
        ),
    },
}
REFUSED: dict[str, tuple[Criterion, str]] = {
    "ctc_loss": (
        lambda y, t: F.ctc_loss(
            y.unflatten(1, (3, 2)).log_softmax(-1).movedim(1, 0),
            t[:, :1] % 2,
            torch.full((BATCH,), 3),
            torch.full((BATCH,), 1),
        ),
        "has no derivative of the second order in torch",
    ),
    "gaussian_nll_loss": (
        lambda y, t: F.gaussian_nll_loss(y, t, y.exp()),
        "looks at the numbers of the variance before it computes; the formula itself exports",
    ),
}
"""What can't be analysed, and why."""
SAID = {
    "ctc_loss": "can't export it: .*ctc_loss",
    "gaussian_nll_loss": "branches on values|depends on values",
}
CALLS = [(name, case, "mean") for name, cases in CASES.items() for case in cases]
CALLS += [(name, "", reduction) for name in CASES for reduction in ("none", "sum")]
if torch.__version__ < "2.13":  # export of 2.11 fixes the batch, by which these means divide
    for case in ("probabilities", "smoothed probabilities"):
        CALLS.remove(("cross_entropy", case, "mean"))
    CALLS.remove(("binary_cross_entropy", "weight", "mean"))  # and can't expand a weight to it


class Own(nn.Module):
    """A network that returns its loss."""

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(5, 4), nn.Linear(4, 6)
        self.criterion = criterion

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.criterion(self.out(torch.tanh(self.hidden(x))), y)

    def gated(self, m: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.criterion(self.out(torch.tanh(self.hidden(x)) * m), y).sum()


def test_every_loss_of_torch_is_here() -> None:
    """A loss that a new version of torch brings fails here until it has a case or a reason."""
    names = {"binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div"}
    names |= {name for name in dir(F) if name.endswith("_loss") and not name.startswith("_")}
    assert CASES.keys() | REFUSED.keys() == names


X = torch.randn(BATCH, 5, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("name", "case", "reduction"), CALLS)
def test_a_loss_is_read_and_differentiated(name: str, case: str, reduction: str) -> None:
    criterion, y = CASES[name][case]
    module = Own(partial(criterion, reduction=reduction))
    randomized(module).requires_grad_(False)
    network, channels = analysed(read_back(module, X, y))
    (value,) = network(X, y)
    torch.testing.assert_close(value, module(X, y).detach())
    ones, step = torch.ones(4).double(), 1e-5
    times = 1 if value.dim() else BATCH  # a single number is taken for the batch's mean
    at, ahead, behind = (
        torch.func.grad(module.gated)(ones + move, X, y) * times for move in (0, step, -step)
    )  # torch's own kernels may lack a second derivative
    gated = gate(network, channels, "channel")
    sums = sosp_h.measure(gated, Batch((X, y), y), LOSSES["model"]).sums
    np.testing.assert_allclose(sums["first"][0], at, rtol=1e-9, atol=1e-12)
    slope = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(sums["second"][0], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("name", ["huber_loss", "kl_div", "triplet_margin_loss"])
def test_the_library_takes_them(name: str) -> None:
    criterion, y = CASES[name][""]
    module = randomized(Own(criterion))
    found = analyze(module, [(X, y)], method="exact", loss="model", progress=False)
    assert found.loss == pytest.approx(module(X, y).item())


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_analysed_says_so(name: str) -> None:
    criterion, _ = REFUSED[name]
    batches = [(X, NUMBERS.round().long())]
    with pytest.raises(ValueError, match=SAID[name]):
        analyze(randomized(Own(criterion)), batches, loss="model", progress=False)
