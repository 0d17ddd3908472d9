"""What can be batches, and what is said of anything else."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from narrows import Analysis, analyze
from narrows.loaded import BatchError
from narrows.targets import TargetsError
from tests.support.exporting import exporting_once
from tests.support.several_inputs import Fusion, fusion_data

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4)).eval()
ONE_OUTPUT = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 1)).eval()
X, Y = torch.randn(32, 6), torch.randint(4, (32,))
NAN = float("nan")


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(x, y) for x, y in zip(X, Y, strict=True)])


class Unstackable(Dataset[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return X[: index + 1], 0


def analysis(batches: Any, **options: Any) -> Analysis:
    with exporting_once():
        return analyze(options.pop("net", NET), batches, progress=False, **options)


EXPECTED = analysis([(X, Y)]).loss


@pytest.mark.parametrize(
    "batches",
    [
        lambda: DataLoader(TensorDataset(X, Y), batch_size=31),  # which leaves a last batch of one
        lambda: DataLoader(TensorDataset(X, Y), batch_size=1),
        lambda: DataLoader(Stream(), batch_size=8),
        lambda: TensorDataset(X, Y),
        lambda: iter([[X, Y]]),
        lambda: [{"x": X, "labels": Y}],
        lambda: [({"input": X}, Y)],
        lambda: [((X,), Y)],
        lambda: [(X.numpy().astype(np.float64), Y.numpy())],
        lambda: [(X.numpy()[::-1], Y.numpy()[::-1])],
        lambda: [(X.numpy().astype(">f4"), Y.numpy().astype(">i8"))],
        lambda: [(X.clone().requires_grad_(), Y)],
        *(lambda t=t: [(X, Y.to(t))] for t in (torch.uint8, torch.int8, torch.int16, torch.int32)),
    ],
)
def test_what_can_be_batches(batches: Callable[[], Any]) -> None:
    np.testing.assert_allclose(analysis(batches()).loss, EXPECTED, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [("mse", Y[:, None]), ("mse", Y[:, None].half()), ("bce_with_logits", Y[:, None] > 1)],
)
def test_numbers_of_any_type_are_targets_of_a_regression(loss: str, targets: Tensor) -> None:
    ours = analysis([(X, targets)], net=ONE_OUTPUT, loss=loss)
    assert ours.loss == analysis([(X, targets.float())], net=ONE_OUTPUT, loss=loss).loss


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ((X, Y), r"a single pair; put it in a list: \[\(inputs, targets\)\]"),
        (X, "`batches` is a tensor float32"),
        (None, "`batches` is of the type NoneType"),
        ("data.npz", "`batches` is the text 'data.npz'"),
        ({"x": X, "y": Y}, "dictionary with the keys 'x', 'y'"),
        (Stream(), "wrap it in a DataLoader"),
        ([], "no batches"),
        (
            [{"x": X, "answers": Y}],
            "batch 1 is a dictionary .* targets named 'y', 'labels', 'label', 'targets', 'target'",
        ),
        ([(X, Y, "names")], "batch 1 is a tuple of 3"),
        ([X[:2], X[:2], X[:2]], "batch 1 is a tensor"),
        ([(X.tolist(), Y)], "the inputs of batch 1 are a list of 32"),
        ([(X, 3)], "the targets of batch 1 are of the type int"),
        ([(np.array(["a"]), Y)], "the inputs of batch 1 are of the type ndarray"),
        ([(X, Y), (X, Y[:5])], "batch 2 has 32 inputs and 5 targets"),
        ([(X[0, 0], Y[0])], r"have the shape \[\]: the first dimension must count"),
        ([(X[:0], Y[:0])], r"have the shape \[0, 6\]"),
        ([(X.masked_fill(torch.arange(32)[:, None] == 7, NAN), Y)], "NaN .* in sample 7"),
        (
            [(X, Y), (X[:, :5], Y)],
            r"samples of shape \[5\], but the network takes \[6\]",
        ),
        ([(X.to_sparse(), Y)], "are sparse; pass inputs.to_dense()"),
        (Unstackable(), "make no batch: .* Pass a DataLoader with a `collate_fn`"),
        ([(X, Y), (X.double(), Y)], "the inputs of batch 2 are a tensor float64"),
    ],
)
def test_what_can_not_be_batches(batches: Any, said: str) -> None:
    with pytest.raises(BatchError, match=said):
        analysis(batches)


def test_a_loader_of_several_inputs_is_taken_as_it_is() -> None:
    image, table, classes = map(torch.from_numpy, fusion_data(30))
    torch.manual_seed(0)
    net = Fusion().eval()
    loader = DataLoader(TensorDataset(image, table, classes), batch_size=8)  # the last has 6
    nested = [((x0, x1), y) for x0, x1, y in loader]
    named = [{"image": x0, "table": x1, "label": y} for x0, x1, y in loader]
    found = [analyze(net, batches, progress=False) for batches in (loader, nested, named)]
    assert len({analysis.loss for analysis in found}) == 1
    assert found[0].samples == 30


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (Y + 1, "batch 1: y has labels from 1 to 4, but the model has 4 outputs"),
        (Y - 1, "labels must lie in 0 … 3"),
        (Y[:, None], r"a sample's output has shape \[4\] and its y \[1\]. Reshape y"),
        (Y > 1, "takes class numbers, but targets are bool: pass targets.long()"),
        (Y.half(), "are float16: pass targets.long()"),
        (nn.functional.one_hot(Y, 4).float(), "for shares of classes, pass a loss of your own"),
    ],
)
def test_targets_that_do_not_fit(targets: Tensor, said: str) -> None:
    with pytest.raises(TargetsError, match=said):
        analysis([(X, targets)])


def test_inputs_of_another_type_than_the_network() -> None:
    with pytest.raises(ValueError, match=r"can't run on inputs float64.*computes in float32"):
        analysis([(X.double(), Y)])


def test_weights_that_are_not_finite() -> None:
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))
    nn.init.constant_(net.get_parameter("0.weight"), NAN)
    with pytest.raises(BatchError, match="batch 1 gave the loss nan"):
        analyze(net, [(X, Y)], progress=False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    net = deepcopy(NET).to(dtype)
    ours = analyze(net, [(X.to(dtype), Y)], progress=False)
    exact = analyze(net.float(), [(X.to(dtype).float(), Y)], progress=False)
    assert ours.loss == exact.loss
    np.testing.assert_array_equal(ours.saliency, exact.saliency)


def test_a_program_for_one_size_of_batch() -> None:
    program = torch.export.export(NET, (X[:8],))
    loader = DataLoader(TensorDataset(X, Y), batch_size=8)
    np.testing.assert_allclose(analyze(program, loader, progress=False).loss, EXPECTED, rtol=1e-5)
    with pytest.raises(BatchError, match="batches of exactly 8 samples, but batch 1 has 5"):
        analyze(program, [(X[:5], Y[:5])], progress=False)
