"""The user's module goes through torch.export, and stays as it was."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows import analyze
from narrows.export_module import ExportError, export_module
from narrows.graph.from_export import as_network
from narrows.graph.trace_errors import TraceError
from narrows.graph.tracing import in_eval_mode


def normed() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 4),
    )  # fmt: skip


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))


def pairs(size: int = 8) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(size, 3, 8, 8), torch.randint(4, (size,)))]


def frozen_norm(net: nn.Sequential) -> None:
    net.train()
    net[1].eval()


def thawed_norm(net: nn.Sequential) -> None:
    net.eval()
    net[4].train()


class Branching(nn.Module):
    """It can't be exported, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = plain(), 0
        self.inner[0].eval()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x) if x.sum() > 0 else x


class Counting(nn.Module):
    """It gives a layer as many rows as it finds, so that no program is right for all inputs."""

    def forward(self, x: Tensor) -> Tensor:
        found = x[x[:, 0] > 0]
        return found * 2 if len(found) > 3 else found


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 0)
        return first + second


class Forwarding(nn.Module):
    """A wrapper that hands on whatever it gets."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Tensor) -> object:
        return self.inner(*args)


class Merging(nn.Linear):
    """A layer that folds numbers into its weight in eval mode, as some adapters do."""

    merged = False

    def train(self, mode: bool = True) -> "Merging":
        super().train(mode)
        if self.merged == mode:
            with torch.no_grad():
                self.weight += -1.0 if mode else 1.0
            self.merged = not mode
        self.weight.requires_grad_(mode)
        return self


@pytest.mark.parametrize("mode", [frozen_norm, thawed_norm, nn.Module.train, nn.Module.eval])
def test_each_part_keeps_its_own_mode(mode: Callable[[nn.Module], object], tmp_path: Path) -> None:
    net = normed()
    mode(net)
    frozen, trained = net.get_parameter("3.weight"), net.get_parameter("0.weight")
    frozen.requires_grad_(False)
    trained.grad = torch.ones_like(trained)
    modes = [part.training for part in net.modules()]
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    analyze(net, pairs(), progress=False)
    export_module(net, (torch.zeros(2, 3, 8, 8),), tmp_path / "m.pt2")
    assert modes == [part.training for part in net.modules()]
    torch.testing.assert_close(dict(net.state_dict()), state, rtol=0, atol=0)
    trainable = [name for name, tensor in net.named_parameters() if not tensor.requires_grad]
    assert trainable == ["3.weight"]
    assert torch.equal(trained.grad, torch.ones_like(trained))


def test_an_error_leaves_the_modes_too(tmp_path: Path) -> None:
    net = Branching()
    modes = [part.training for part in net.modules()]
    with pytest.raises(TraceError, match="depends on values"):
        as_network(net, (torch.ones(2, 6),))
    with pytest.raises(ExportError, match="depends on values"):
        export_module(net, (torch.ones(2, 6),), tmp_path / "m.pt2")
    assert modes == [part.training for part in net.modules()]
    assert net.calls == 0


def test_a_mode_may_be_more_than_a_flag() -> None:
    net = nn.Sequential(layer := Merging(3, 2), nn.ReLU())
    before = layer.weight.detach().clone()
    with in_eval_mode(net):
        torch.testing.assert_close(layer.weight.detach(), before + 1)
    torch.testing.assert_close(layer.weight.detach(), before)
    assert layer.training
    assert layer.weight.requires_grad


def test_what_is_global_stays() -> None:
    def drawing() -> Iterator[tuple[Tensor, Tensor]]:
        random.random()
        np.random.rand()
        yield from pairs()  # which draws from torch's generator

    net = normed()
    ours, own = torch.get_rng_state(), random.getstate()
    numbers: Any = np.random.get_state()
    analyze(net, drawing(), progress=False)
    assert torch.equal(ours, torch.get_rng_state())
    np.testing.assert_equal(np.random.get_state(), numbers)
    assert own == random.getstate()
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "context", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")]
)
def test_what_surrounds_it_changes_nothing(context: Callable[[], torch.no_grad]) -> None:
    net, data = plain(), [(torch.ones(4, 6), torch.zeros(4, dtype=torch.long))]
    expected = analyze(net, data, progress=False)
    with context():
        data = [(torch.ones(4, 6), torch.zeros(4, dtype=torch.long))]
        ours = analyze(net, data, progress=False)
    assert ours.structures == expected.structures


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, lambda net: net])
def test_a_wrapped_network_is_the_one_within(
    wrap: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    data = [(torch.ones(4, 6), torch.zeros(4, dtype=torch.long))]
    wrapped = wrap(plain())
    assert [row["name"] for row in analyze(wrapped, data, progress=False).layers] == ["0", "2"]
    export_module(wrapped, (torch.ones(1, 6),), tmp_path / "m.pt2")


def test_a_wrapper_of_any_arguments_and_a_batch_of_one(tmp_path: Path) -> None:
    network = as_network(Forwarding(plain()), (torch.ones(1, 6),))
    assert network.fixed_batch is None
    assert network(torch.ones(3, 6))[0].shape == (3, 4)
    export_module(Forwarding(plain()), (torch.ones(1, 6),), tmp_path / "m.pt2")


RANDOM_POOL = nn.FractionalMaxPool2d(2, output_size=2)


class Answering(nn.Module):
    """It returns what libraries of models do: a dictionary, in which something may be None."""

    def __init__(self, **answer: None) -> None:
        super().__init__()
        self.inner, self.answer = plain(), answer

    def forward(self, x: Tensor) -> dict[str, Tensor | None]:
        return {**self.answer, "logits": self.inner(x)} if self.answer else {"loss": None}


def test_outputs_that_are_none_do_not_count() -> None:
    assert as_network(Answering(loss=None), (torch.ones(2, 6),)).outputs == ("linear_1",)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = plain()

    def forward(self, *, pixels: Tensor) -> object:
        return self.inner(pixels)


@pytest.mark.parametrize(
    ("module", "inputs", "said"),
    [
        (lambda: torch.jit.script(plain()), (2, 6), "TorchScript"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(6, 2))), (2, 6), "module '0' is TorchSc"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), (2, 6), "'0' has no weights yet"),
        (Named, (2, 6), "wrap it in a module whose forward takes these"),
        (Answering, (2, 6), "returns no tensor"),
        (plain, (2, 5), r"can't run on inputs float32 \[2, 5\]"),
        (plain, (6,), "batches of 6 only, or its inputs lack"),
        (lambda: nn.Sequential(RANDOM_POOL), (2, 3, 4, 4), "module '0' calls it"),
        (
            Counting,
            (2, 6),
            r"depends on values \(in test_tracing.py:\d+, forward: return found",
        ),
        (Fixed, (2, 6), "batches of 2 only"),
        (Branching, (2, 6), r"test_tracing.py:\d+, forward: return self.inner\(x\) if"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_refusal_says_what_and_where(
    module: Callable[[], nn.Module], inputs: tuple[int, ...], said: str
) -> None:
    with pytest.raises(TraceError, match=said):
        as_network(module(), (torch.ones(inputs),))
