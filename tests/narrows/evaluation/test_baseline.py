"""A network is held against what an answer that ignores the input would give."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from narrows.analysis import Analysis
from narrows.evaluation.baseline import Targets
from narrows.evaluation.removals import RATIOS
from narrows.losses import IGNORED


def constant_answers(targets: Tensor) -> Tensor:
    """The logits of the targets' frequencies, for each sample."""
    shares = F.one_hot(targets[targets != IGNORED], 4).double().flatten(0, -2).mean(0)
    return shares.log().clamp(min=-1e9)


@pytest.mark.parametrize("shape", [(40,), (20, 7)])
def test_the_best_constant_answer_has_the_loss_that_torch_gives_it(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    targets = torch.randint(3, shape)
    targets[:3] = IGNORED
    whole = Targets("cross_entropy")
    for part in torch.split(targets, 9):
        whole.add(part)
    outputs = (*shape, 4) if len(shape) > 1 else (shape[0], 4)
    baseline = whole.baseline(outputs)
    assert baseline is not None
    assert baseline.chance is not None
    logits = constant_answers(targets).expand(targets.numel(), 4)
    expected = F.cross_entropy(logits, targets.flatten())
    assert baseline.score.loss == pytest.approx(float(expected))
    counted = targets[targets != IGNORED]
    most = (counted == counted.mode()[0]).float().mean()
    assert baseline.score.accuracy == pytest.approx(float(most))
    assert baseline.chance.loss == pytest.approx(np.log(4))


def test_constant_numbers_are_the_mean_of_each_output() -> None:
    torch.manual_seed(0)
    numbers = torch.randn(50, 3) + torch.tensor([0.0, 5.0, 9.0])
    mse, bce = Targets("mse"), Targets("bce_with_logits")
    mse.add(numbers)
    bits = (numbers > torch.tensor([0.0, 4.5, 9.5])).float()
    bce.add(bits)
    of_mse, of_bce = mse.baseline((2, 3)), bce.baseline((2, 3))
    assert of_mse is not None
    assert of_bce is not None
    expected = F.mse_loss(numbers.mean(0).expand_as(numbers), numbers)
    assert of_mse.score.loss == pytest.approx(float(expected), rel=1e-5)
    means = bits.double().mean(0)
    likely = F.binary_cross_entropy(means.expand(50, 3), bits.double())
    assert of_bce.score.loss == pytest.approx(float(likely), rel=1e-5)
    assert of_bce.score.accuracy == pytest.approx(float(torch.maximum(means, 1 - means).mean()))


def trained() -> tuple[nn.Module, Tensor, Tensor]:
    """A network that has learned classes from inputs around 0."""
    torch.manual_seed(0)
    centres = torch.randn(4, 6)
    labels = torch.randint(4, (512,))
    x = centres[labels] + 0.3 * torch.randn(512, 6)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(net(x), labels))
        optimizer.step()
    return net, x, labels


def analyzed(net: nn.Module, x: Tensor, y: Tensor, **options: object) -> Analysis:
    data = list(zip(torch.split(x, 32), torch.split(y, 32), strict=True))
    return analyze(net, data, progress=False, **options)  # type: ignore[arg-type]


def test_a_network_that_is_right_but_unsure_is_not_doubted() -> None:
    net, x, y = trained()
    scale = nn.Linear(4, 4)
    with torch.no_grad():
        scale.weight.copy_(0.003 * torch.eye(4))
        scale.bias.zero_()
    found = analyzed(nn.Sequential(net, scale), x, y)
    assert found.loss == pytest.approx(np.log(4), abs=0.05)
    assert found.doubt is None


def is_undecided(found: Analysis) -> bool:
    verdicts = {verdict.verdict for verdict in found.verdicts.values()}
    return verdicts == {"undecided", "not_prunable"}


def test_verdicts_are_given_where_network_and_data_belong_together() -> None:
    net, x, y = trained()
    found = analyzed(net, x, y)
    with torch.no_grad():
        right = (net(x).argmax(1) == y).float().mean()
    assert found.score.accuracy == pytest.approx(float(right))
    assert found.doubt is None
    assert not is_undecided(found)
    because = str(found.verdicts["2"].because)
    assert f"; the network has {found.score}; the best constant answer has loss" in because


def test_verdicts_are_withheld_where_they_do_not() -> None:
    net, x, y = trained()
    untrained = nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)
    )
    for found in (
        analyzed(net, 20 * x + 30, y),  # inputs without the transform
        analyzed(net, x, (y + 1) % 4),  # labels that are numbered from 1
        analyzed(untrained, x, y),
    ):
        assert found.doubt is not None
        assert "check that the inputs are transformed" in found.doubt
        assert is_undecided(found)
        assert found.summary["bottlenecks"] == []
        assert all(
            found.doubt in str(v.because) for v in found.verdicts.values() if v.score is not None
        )
        assert "No verdict: the network (loss" in repr(found)


def test_a_loss_of_ones_own_is_held_against_the_targets_of_other_samples() -> None:
    net, x, y = trained()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        right = outputs.gather(1, targets[:, None])
        return torch.relu(1 + outputs - right).mean(1).sum()

    found = analyzed(net, x, y, loss=loss)
    assert found.evaluation is not None
    assert found.evaluation.baseline is not None
    assert found.evaluation.baseline.kind == "shuffled"
    assert found.doubt is None
    assert analyzed(net, x, torch.randint(4, (512,)), loss=loss).doubt is not None
    without_targets = analyzed(net, x, y, loss=lambda outputs, _: outputs.square().sum())
    assert without_targets.evaluation is not None
    assert without_targets.evaluation.baseline is None
    assert without_targets.doubt is None


def test_what_pruning_costs_is_measured() -> None:
    net, x, y = trained()
    found = analyzed(net, x, y)
    assert [row["ratio"] for row in found.summary["removals"]] == list(RATIOS)
    for ratio in (0.2, 0.9):
        built = found.prune(ratio)
        module = built.module()
        with torch.no_grad():
            outputs = module(x)
        assert built.effect is not None
        loss = F.cross_entropy(outputs, y).item()
        assert built.effect.after.loss == pytest.approx(loss, rel=1e-4)
        right = (outputs.argmax(1) == y).float().mean()
        assert built.effect.after.accuracy == pytest.approx(float(right))
        (row,) = (row for row in found.summary["removals"] if row["ratio"] == ratio)
        assert row["loss"] == pytest.approx(built.effect.after.loss, rel=1e-4)
    assert found.prune(0.9).effect.remark is not None  # type: ignore[union-attr]
    assert found.summary["cliff"] < 0.9
    wide = analyzed(net, x, y, factors={"mine": {"0": 2.0}}).widen("mine").effect
    assert wide is not None
    assert wide.remark is None
    assert wide.after.loss == pytest.approx(wide.before.loss, rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", "bce_with_logits"])
def test_a_number_for_each_sample_may_have_no_dimension(loss: str) -> None:
    class Scalar(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)[:, 0]

    x = torch.randn(64, 6)
    found = analyzed(Scalar(), x, (x.sum(1) > 0).float(), loss=loss)
    assert found.evaluation is not None
    assert found.evaluation.baseline is not None


def test_a_layer_with_nothing_beside_it_is_not_judged() -> None:
    _, x, y = trained()
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(net(x), y))
        optimizer.step()
    found = analyzed(net, x, y)
    assert found.doubt is None
    assert found.verdicts["0"].verdict == "undecided"
    assert "no comparable layer" in str(found.verdicts["0"].because)
