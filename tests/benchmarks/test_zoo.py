"""The zoo on a network of our own: every step is tried, and a branch of zeros counts."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo import steps, table, trial
from benchmarks.zoo.calibration import calibrate
from benchmarks.zoo.names import NAMES, TENSOR
from benchmarks.zoo.networks import make
from benchmarks.zoo.results import Results

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """A branch that begins at zero, as in training from scratch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.norm = (
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(8, 8, 1),
            nn.BatchNorm2d(8),
        )
        self.head = nn.Linear(8, 5)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        logits: Tensor = self.head((x + self.norm(self.branch(x))).mean((2, 3)))
        return logits


def test_the_zoo_has_59_networks() -> None:
    assert len({name.removesuffix(TENSOR) for name in NAMES}) == 59
    assert len(set(NAMES)) == len(NAMES) == 69


def test_calibrated_networks_have_live_branches_and_fitting_statistics() -> None:
    net = Residual().eval()
    calibrate(net, (IMAGES,))
    assert (net.norm.weight != 0).all()
    outputs = net.norm(net.branch(F.relu(net.stem(IMAGES)))).transpose(0, 1).flatten(1)
    torch.testing.assert_close(outputs.mean(1), net.norm.bias.detach(), atol=1e-4, rtol=1e-4)
    assert not net.training
    assert net.norm.momentum == 0.1


def test_every_step_succeeds_on_a_plain_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trial, "make", lambda _name: (Residual().eval(), (IMAGES,)))
    found: dict[str, Any] = {}
    steps.run("own:residual", lambda step: found.update({step["step"]: step}))
    assert [name for name, step in found.items() if not step["ok"]] == []
    assert list(found) == [step.__name__ for step in steps.STEPS]
    assert found["analysed"]["same"]
    assert found["random_cut"]["gated"] < 1e-10
    results = Results(tmp_path / "zoo.jsonl")
    results.add("own:residual", found)
    record = Results(tmp_path / "zoo.jsonl")["own:residual"]
    assert table.cells(record)[:3] == ["yes", "yes", "3/3"]
    assert list(table.failures({"own:residual": record})) == []


def test_a_network_without_a_library_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of: torchvision:…, timm:…, transformers:…"):
        make("resnet18")
