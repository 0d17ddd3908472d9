"""Programs with operators that Narrows lacks: torch writes them in others, and the user is told."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import narrows.export_module
from narrows.export_module import ExportError
from narrows.graph.from_export import as_network
from narrows.graph.trace_errors import TraceError
from tests.support.exporting import read_back
from worker.errors import RefusedError
from worker.formats import pt2

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export warns


class Unknown(nn.Module):
    """Computes `hsplit`, which torch can write in other operators."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x).relu()
        y[:, :2] *= 2.0
        out: Tensor = self.head(torch.cat(torch.hsplit(y, 2)[::-1], 1))
        return out


class Impossible(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


X = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))


def test_analyze_decomposes_what_is_unknown_and_says_so() -> None:
    module = Unknown()
    with pytest.warns(UserWarning, match=r"torch wrote aten\.hsplit\.int.* in simpler"):
        network = as_network(module, (X,))
    torch.testing.assert_close(network(X)[0], module(X))
    assert [node.op for node in network.nodes].count("linear") == 2  # and nothing else


def test_an_export_is_what_the_service_reads(tmp_path: Path) -> None:
    module, path = Unknown(), tmp_path / "net.pt2"
    assert "aten.hsplit.int" in narrows.export_module.export_module(module, (X,), path)
    torch.testing.assert_close(pt2.read(path)(X)[0], module(X))
    with pytest.raises(RefusedError, match=r"hsplit.*`narrows export"):
        read_back(module, X)


def test_the_reason_is_that_of_the_users_own_program() -> None:
    with pytest.raises(TraceError, match=r"fft_rfft.*torch\.fft\.rfft\(x\)"):
        as_network(Impossible(), (X,))


class Unregistered:
    """A container that torch.export does not know."""


class ReturningAnObject(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Unregistered]:
        return x + 1, Unregistered()


def test_the_advice_on_an_unknown_output_is_not_about_inputs(tmp_path: Path) -> None:
    module = ReturningAnObject()
    with pytest.raises(ExportError, match=r"returns a .*Unregistered.*register_dataclass") as error:
        narrows.export_module.export_module(module, (X,), tmp_path / "net.pt2")
    assert "--input" not in str(error.value)
