"""Legitimate exports read, and compute what their module computes in eval mode."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from narrows.graph.network import Network
from narrows.graph.node import Input
from tests.support.architectures import (
    ARCHITECTURES,
    MobileNet,
    PlainNet,
    ResidualNet,
    Transformer,
    TwoTowers,
)
from tests.support.exporting import exported
from tests.support.pt2_archive import Upload
from worker.errors import RefusedError
from worker.formats import pt2
from worker.formats.pt2.tensors import DTYPES

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export warns


def export(network: nn.Module, inputs: tuple[Tensor, ...], *, dynamic: bool = False) -> Any:
    """Export with the first dimension of every input free, or with all fixed."""
    batch = torch.export.Dim("batch", min=2, max=1024)
    names = inspect.signature(network.forward).parameters
    shapes = {name: {0: batch} for name in names} if dynamic else None
    return torch.export.export(network, inputs, dynamic_shapes=shapes)


def saved_and_read(program: Any, folder: Path) -> Network:
    path = folder / "model.pt2"
    torch.export.save(program, path)
    return pt2.read(path)


def changes_in_training(architecture: type[nn.Module]) -> bool:
    kinds = (
        nn.Dropout,
        nn.MultiheadAttention,
        nn.RNNBase,
        nn.modules.batchnorm._NormBase,
    )
    return any(isinstance(module, kinds) for module in architecture().modules())


TRAINED = [architecture for architecture in ARCHITECTURES if changes_in_training(architecture)]


@pytest.mark.parametrize(
    ("architecture", "dynamic", "training", "decomposed"),
    [
        *((architecture, True, False, False) for architecture in ARCHITECTURES),
        *((architecture, True, False, True) for architecture in ARCHITECTURES),
        *((architecture, False, True, False) for architecture in ARCHITECTURES),
        *((architecture, False, True, True) for architecture in TRAINED),
    ],
)
def test_outputs_are_those_of_eval_mode(
    architecture: type[nn.Module], dynamic: bool, training: bool, decomposed: bool
) -> None:
    """Each architecture is exported with each choice, but not with all combinations of them.

    In core ATen and in training mode are only those that are another program in that mode.
    """
    module, inputs, read = exported(
        architecture, dynamic=dynamic, training=training, decomposed=decomposed
    )
    if dynamic:
        inputs = tuple(x[:3] for x in inputs)
    with torch.no_grad():
        expected = pytree.tree_leaves(module(*inputs))
        actual = read(*inputs)
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_names_are_the_users_own(tmp_path: Path) -> None:
    network = ResidualNet().eval()
    read = saved_and_read(export(network, (torch.randn(2, 3, 8, 8),), dynamic=True), tmp_path)
    assert read.tensors.keys() == network.state_dict().keys()
    assert read.parameters == dict(network.named_parameters()).keys()
    convolutions = [node.module for node in read.nodes if node.op == "conv2d"]
    assert convolutions == [
        f"layer1.{block}.{name}" for block in (0, 1) for name in ("conv1", "conv2", "downsample")
    ]


def test_a_free_dimension_is_a_symbol(tmp_path: Path) -> None:
    example = (torch.randn(2, 3, 8, 8),)
    fixed = saved_and_read(export(PlainNet().eval(), example), tmp_path)
    assert fixed.inputs == (Input("x", torch.float32, (2, 3, 8, 8)),)
    free = saved_and_read(export(PlainNet().eval(), example, dynamic=True), tmp_path)
    batch, *rest = free.inputs[0].shape
    assert isinstance(batch, str)
    assert rest == [3, 8, 8]


class LastState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, (state, _) = self.lstm(x)
        return self.head(state[-1])


def test_an_lstm_that_an_older_torch_described(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    torch.export.save(export(LastState().eval(), (torch.randn(3, 5, 3),)), path)
    upload = Upload.read(path)
    described = upload.graph["tensor_values"]["getitem_1"]
    described["sizes"] = [{"as_int": size} for size in (1, 1, 3, 4)]  # as torch 2.12 does
    described["strides"] = [{"as_int": stride} for stride in (12, 12, 4, 1)]
    path.write_bytes(upload.data())
    with pytest.raises(RefusedError, match=r"export it with 2\.13"):
        pt2.read(path)


def test_tied_weights_stay_one_tensor() -> None:
    network, _, read = exported(Transformer, dynamic=False)
    assert read.leaves["p_head_weight"] == read.leaves["p_tokens_weight"] == "tokens.weight"
    assert len(read.parameters) == len(list(network.parameters()))


def test_operators_in_place_become_pure() -> None:
    read = exported(MobileNet, dynamic=False).network
    names = {node.op for node in read.nodes}
    assert {"hardswish", "hardsigmoid", "hardtanh"} <= names | {"relu6"}
    assert not any(name.partition(".")[0].endswith("_") for name in names)


def test_constants_that_training_would_change_are_frozen() -> None:
    _, inputs, read = exported(PlainNet, dynamic=False, training=True)
    before = {name: tensor.clone() for name, tensor in read.tensors.items()}
    torch.testing.assert_close(read(*inputs), read(*inputs), rtol=0, atol=0)
    torch.testing.assert_close(dict(read.tensors), before, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:No complete tensor found:UserWarning")  # of the transpose
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_number_types_are_stored_bit_for_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    class Holder(nn.Module):
        table: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", (torch.randn(3, 4) * 9).abs().to(dtype).t())

        def forward(self, x: Tensor) -> Tensor:
            return x + self.table.to(x.dtype)

    holder = Holder()
    read = saved_and_read(export(holder, (torch.randn(4, 3),)), tmp_path)
    torch.testing.assert_close(read.tensors["table"], holder.table, rtol=0, atol=0)


def test_a_half_precision_network_reads(tmp_path: Path) -> None:
    network = nn.Linear(4, 3).bfloat16()
    x = torch.randn(2, 4).bfloat16()
    read = saved_and_read(export(network, (x,)), tmp_path)
    torch.testing.assert_close(read(x)[0], network(x))


def test_differentiation_reaches_the_parameters() -> None:
    network, inputs, read = exported(TwoTowers, dynamic=False)
    trained = read.map_tensors(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    names, parameters = zip(*network.named_parameters(), strict=True)
    ours = torch.autograd.grad(trained(*inputs)[0].sum(), [trained.tensors[n] for n in names])
    theirs = torch.autograd.grad(network(*inputs)["distance"].sum(), parameters)
    torch.testing.assert_close(ours, theirs)


class Overwriting(nn.Module):
    """Writes into a view, and then reads what it was a view of."""

    def forward(self, x: Tensor) -> Tensor:
        y = (x * 2).t()
        z = y.contiguous()  # a view in other networks
        y[:, 0].add_(1.0)
        return z


class UnknownOperator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.FractionalMaxPool2d(2, output_size=2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


class Routed(nn.Module):
    """Counts the tokens of each expert, as Mixtral does."""

    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(1).float().histc(4, 0, 3).cumsum(0)


class Masked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0].mean()


class ComplexNumbers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


@pytest.mark.parametrize(
    ("network", "shape", "culprit"),
    [
        (ComplexNumbers(), (3, 4), "torch.ops.aten.fft_rfft.default"),
        (Overwriting(), (3, 4), "overwritten"),
        (
            UnknownOperator(),
            (1, 3, 8, 8),
            "aten.rand.default in module 'inner.0' is not supported: it",
        ),
        (Routed(), (3, 4), "aten.histc.default in the network itself is not supported: it counts"),
        (Masked(), (3, 4), "index.Tensor in the network itself is not supported: the shape of its"),
    ],
)
def test_what_is_not_supported_is_named(
    network: nn.Module, shape: tuple[int, ...], culprit: str, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError) as refusal:
        saved_and_read(export(network, (torch.randn(shape),)), tmp_path)
    assert refusal.value.slug == "operator-not-supported"
    assert culprit in refusal.value.detail
    rewritten = isinstance(network, Overwriting)  # other operators would not help the others
    assert ("run_decompositions" in refusal.value.detail) == rewritten
