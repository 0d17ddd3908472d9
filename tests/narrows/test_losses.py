"""Losses against torch's own, and their curvature against the Hessian along the outputs."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.losses import IGNORED, LOSSES, Loss, class_dim


def case(loss: str, samples: int = 3) -> tuple[Tensor, Tensor]:
    """Outputs and targets of a few samples with several targets each."""
    torch.manual_seed(0)
    outputs = torch.randn(samples, 4, 3, dtype=torch.float64)
    if loss in ("cross_entropy", "nll"):
        outputs = outputs.log_softmax(1) if loss == "nll" else outputs
        return outputs, torch.randint(4, (samples, 3))
    return outputs, torch.rand_like(outputs)


OWN = [name for name in LOSSES if name != "model"]


@pytest.mark.parametrize("name", OWN)
def test_a_loss_is_the_sum_over_samples_of_torchs_own(name: str) -> None:
    outputs, targets = case(name)
    functions: dict[str, Callable[..., Tensor]] = {
        "cross_entropy": F.cross_entropy,
        "nll": F.nll_loss,
        "mse": F.mse_loss,
        "bce_with_logits": F.binary_cross_entropy_with_logits,
    }
    expected = 3 * functions[name](outputs, targets)
    torch.testing.assert_close(LOSSES[name](outputs, targets), expected)


def hessian(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """R of one sample, by differentiating twice."""
    size = outputs.numel()
    return torch.func.hessian(lambda f: loss(f, targets))(outputs).reshape(size, size)


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "bce_with_logits"])
def test_columns_are_a_factor_of_the_curvature(name: str) -> None:
    outputs, targets = case(name)
    columns = LOSSES[name].columns
    assert columns is not None
    found = torch.stack(list(columns(outputs, targets)), 1).flatten(2)
    for sample in range(3):
        part = slice(sample, sample + 1)
        torch.testing.assert_close(
            found[sample].T @ found[sample], hessian(LOSSES[name], outputs[part], targets[part])
        )


def test_log_probabilities_have_the_curvature_of_their_logits() -> None:
    logits, targets = case("cross_entropy")
    columns = LOSSES["nll"].columns
    assert columns is not None
    jacobian = torch.func.jacrev(lambda z: z.log_softmax(1))(logits[:1]).reshape(12, 12)
    found = torch.stack(list(columns(logits[:1].log_softmax(1), targets[:1])), 1)[0].flatten(1)
    torch.testing.assert_close(
        jacobian.T @ found.T @ found @ jacobian,
        hessian(LOSSES["cross_entropy"], logits[:1], targets[:1]),
    )


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "bce_with_logits"])
def test_drawn_columns_have_the_curvature_as_their_mean(name: str) -> None:
    outputs, targets = case(name, 1)
    draw, times = LOSSES[name].draw, 40_000
    assert draw is not None
    generator = torch.Generator().manual_seed(1)
    many = draw(
        outputs.expand(times, -1, -1), targets.expand(times, *targets.shape[1:]), generator
    ).flatten(1)
    expected = hessian(LOSSES[name], outputs, targets)
    error = (many.T @ many / times - expected).abs().max()
    assert error < 0.02 * expected.abs().max() + 1e-3


def test_classes_are_the_second_dimension_or_the_last() -> None:
    outputs, targets = case("cross_entropy")
    for name in ("cross_entropy", "nll"):
        second, last = (LOSSES[name](f, targets) for f in (outputs, outputs.movedim(1, -1)))
        torch.testing.assert_close(second, last)
    assert class_dim((8, 5, 9), (8, 5)) == -1
    assert class_dim((8, 5, 9), (8, 9)) == 1
    assert class_dim((8, 5, 9), (8, 4)) is None
    with pytest.raises(ValueError, match="class numbers go with"):
        LOSSES["cross_entropy"](outputs, targets[:, :2])


def test_padding_counts_for_nothing() -> None:
    """Whatever is ignored, in a sample or all of it, the mean is torch's."""
    outputs, targets = case("cross_entropy")
    targets[0, 1:] = IGNORED
    targets[1] = IGNORED
    loss = LOSSES["cross_entropy"]
    counted, correct = loss.count(outputs, targets)
    assert counted == pytest.approx((targets != IGNORED).sum() / targets[0].numel())
    right = (outputs.argmax(1) == targets).sum() / (targets != IGNORED).sum()
    assert correct / counted == pytest.approx(float(right))
    torch.testing.assert_close(loss(outputs, targets) / counted, F.cross_entropy(outputs, targets))
    assert loss.columns is not None
    for column in loss.columns(outputs, targets):
        assert (column[0, :, 1:] == 0).all()


def test_half_of_the_labels_ignored_leaves_the_mean_of_the_others() -> None:
    outputs, targets = torch.randn(8, 3), torch.randint(3, (8,))
    targets[::2] = IGNORED
    loss = LOSSES["cross_entropy"]
    assert loss.count(outputs, targets).counted == 4
    torch.testing.assert_close(loss(outputs, targets) / 4, F.cross_entropy(outputs, targets))


def test_a_binary_output_is_right_on_its_side_of_one_half() -> None:
    outputs, targets = torch.tensor([[2.0, -1.0], [3.0, 4.0]]), torch.tensor([[1.0, 1.0], [1, 1]])
    assert LOSSES["bce_with_logits"].count(outputs, targets) == (2, 1.5)


def test_a_program_may_return_the_mean_or_each_samples_loss() -> None:
    targets = torch.zeros(5)
    assert LOSSES["model"](torch.tensor(2.0), targets) == 10
    assert LOSSES["model"](torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), targets) == 15
