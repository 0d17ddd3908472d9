"""Built networks as files: stock torch opens them, and Narrows reads them again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from narrows.batch import Batch
from narrows.gates.gated_network import gate
from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.graph.operators import SYMBOLIC
from narrows.graph.shapes import trace_shapes
from narrows.graph.to_export import BuildError, save
from narrows.losses import LOSSES
from narrows.methods.sosp_h import measure
from narrows.surgery import SurgeryError, resize, verify_same
from tests.support.architectures import (
    ARCHITECTURES,
    EncoderLayer,
    MobileNet,
    PlainNet,
    ResidualNet,
    Transformer,
    TwoTowers,
)
from tests.support.exporting import exported, randomized, read_back
from tests.support.surgery import analysed, cut_some, prove
from worker.formats import pt2

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def outputs_of(path: Path, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return pytree.tree_leaves(torch.export.load(path).module()(*inputs))


def modules_of(network: Network) -> list[str]:
    """Return the module of each call on tensors; torch writes arithmetic on sizes its own way."""
    return [node.module for node in network.nodes if node.op not in SYMBOLIC]


class Built(NamedTuple):
    """A module, what it takes, and the network built from its export, in memory and as a file."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    network: Network
    file: Path


KINDS = [(architecture, torch.float64) for architecture in ARCHITECTURES] + [
    (architecture, dtype)
    for architecture in (PlainNet, MobileNet, EncoderLayer)
    for dtype in (torch.float32, torch.bfloat16)
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0].__name__}-{kind[1]}")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    architecture, dtype = request.param
    module, inputs, network = exported(architecture, dtype=dtype)
    _, channels = analysed(network)
    resized = resize(network, channels, 2 * cut_some(channels, 0))
    file = tmp_path_factory.mktemp("built") / "built.pt2"
    save(resized, file)
    return Built(module, inputs, resized, file)


def test_torch_opens_what_was_built(built: Built) -> None:
    """Another batch size gives the same outputs, and the state dict has the upload's names."""
    state = torch.export.load(built.file).state_dict
    assert state.keys() == built.module.state_dict().keys()
    dtype = built.network.precision
    assert {t.dtype for t in state.values() if t.is_floating_point()} == {dtype}
    three = tuple(x[:3] for x in built.inputs)
    for actual, expected in zip(outputs_of(built.file, three), built.network(*three), strict=True):
        assert actual.dtype == expected.dtype
        assert (actual - expected).abs().max() <= TOLERANCES[dtype] * expected.abs().max()


def test_narrows_reads_what_it_built(built: Built) -> None:
    """The names of modules, tensors and inputs survive, and so do free dimensions."""
    network, read = built.network, pt2.read(built.file)
    verify_same(network, read)
    assert modules_of(read) == modules_of(network)
    assert read.parameters == network.parameters
    assert (read.transient, read.aliases) == (network.transient, network.aliases)
    assert [spec.name for spec in read.inputs] == [spec.name for spec in network.inputs]
    (batch,) = {spec.shape[0] for spec in read.inputs}
    assert isinstance(batch, str)
    assert [x.shape[1:] for x in read.inputs] == [x.shape[1:] for x in network.inputs]


@pytest.mark.parametrize("architecture", [PlainNet, ResidualNet, MobileNet])
def test_what_was_built_is_analysed_and_built_again(
    architecture: type[nn.Module], tmp_path: Path
) -> None:
    _, inputs, network = exported(architecture)
    _, channels = analysed(network)
    save(resize(network, channels, np.full(len(channels), 2)), tmp_path / "wide.pt2")
    wide, found = analysed(pt2.read(tmp_path / "wide.pt2"))
    assert len(found) == 2 * len(channels)
    assert [layer.name for layer in found.layers] == [layer.name for layer in channels.layers]
    targets = torch.randint(5, (4,))
    loss = LOSSES["cross_entropy"]
    partial_sums = measure(gate(wide, found), Batch(inputs, targets), loss)
    assert partial_sums.are_finite()
    copies = cut_some(found, 1)
    assert prove(wide, found, copies).deviation < 1e-10
    save(resize(wide, found, copies), tmp_path / "again.pt2")
    assert torch.export.load(tmp_path / "again.pt2").module()(*inputs).shape == (4, 5)


def test_an_export_in_training_mode_is_built_in_eval_mode(tmp_path: Path) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.InstanceNorm2d(4), nn.Flatten(),
        nn.AlphaDropout(), nn.Linear(144, 2),
    ).double()  # fmt: skip
    x = torch.randn(4, 3, 8, 8).double()
    network = read_back(module.train(), x)
    save(network, tmp_path / "built.pt2")
    (actual,) = outputs_of(tmp_path / "built.pt2", [x])
    torch.testing.assert_close(actual, module.eval()(x))


def test_a_fixed_batch_stays_fixed(tmp_path: Path) -> None:
    network = exported(PlainNet, dynamic=False).network
    save(network, tmp_path / "built.pt2")
    assert pt2.read(tmp_path / "built.pt2").inputs[0].shape == (4, 3, 8, 8)


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    _, _, network = exported(Transformer)
    save(network, tmp_path / "built.pt2")
    state = torch.export.load(tmp_path / "built.pt2").state_dict
    assert state["head.weight"].data_ptr() == state["tokens.weight"].data_ptr()


def test_outputs_stay_nested(tmp_path: Path) -> None:
    module, inputs, network = exported(TwoTowers)
    save(network, tmp_path / "built.pt2")
    outputs = torch.export.load(tmp_path / "built.pt2").module()(*inputs)
    torch.testing.assert_close(outputs, module(*inputs))
    assert pt2.read(tmp_path / "built.pt2").nesting == {"distance": 0, "towers": (1, 2)}


def test_outputs_of_unknown_nesting_come_as_a_tuple(tmp_path: Path) -> None:
    _, inputs, network = exported(TwoTowers)
    save(replace(network, nesting=None), tmp_path / "built.pt2")
    assert len(torch.export.load(tmp_path / "built.pt2").module()(*inputs)) == 3


@pytest.mark.parametrize("name", ["forward.weight", "head.bias.weight", "type.0.weight", "a.b.c.T"])
def test_names_that_no_module_has_are_refused(name: str, tmp_path: Path) -> None:
    _, _, network = exported(PlainNet)
    tensors = {name if key == "head.weight" else key: t for key, t in network.tensors.items()}
    leaves = {leaf: name if key == "head.weight" else key for leaf, key in network.leaves.items()}
    hostile = replace(network, tensors=tensors, leaves=leaves)
    if name == "a.b.c.T":
        save(hostile, tmp_path / "built.pt2")
        return
    with pytest.raises(BuildError, match="can't export the network"):
        save(hostile, tmp_path / "built.pt2")


def test_a_file_of_other_numbers_is_refused() -> None:
    _, _, network = exported(PlainNet)
    other = network.map_tensors(lambda t: t + 1 if t.is_floating_point() else t)
    with pytest.raises(SurgeryError, match="another features"):
        verify_same(network, other)


@pytest.mark.skipif(
    torch.__version__ < "2.13",
    reason="export of torch 2.11 takes odd or even sizes in front of a pool",
)
def test_free_heights_and_widths_stay_free(tmp_path: Path) -> None:
    module = randomized(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)))
    free = {axis: torch.export.Dim(f"size{axis}", min=6) for axis in (0, 2, 3)}
    x = torch.randn(7, 3, 9, 12).double()
    program = torch.export.export(module, (x,), dynamic_shapes=(free,))
    torch.export.save(program, tmp_path / "upload.pt2")
    network, channels = analysed(pt2.read(tmp_path / "upload.pt2"))
    built = resize(network, channels, np.full(len(channels), 2))
    save(built, tmp_path / "built.pt2", trace_shapes(network, [(2, 3, 20, 24)]))
    (actual,) = outputs_of(tmp_path / "built.pt2", [torch.cat([x, x])])
    torch.testing.assert_close(actual, torch.cat([module(x), module(x)]))


class Placed(nn.Module):
    """Names a device, as code that builds tables of positions does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).to(device=x.device, dtype=torch.float64).float())


def test_a_placement_that_was_dropped_is_none_in_the_file(tmp_path: Path) -> None:
    network = as_network(Placed().eval(), (torch.ones(2, 4),))
    assert "to.device" in {node.op for node in network.nodes}
    save(network, tmp_path / "net.pt2")
    (expected,) = network(torch.ones(3, 4))
    reread = torch.export.load(tmp_path / "net.pt2").module()
    torch.testing.assert_close(reread(torch.ones(3, 4)), expected)
