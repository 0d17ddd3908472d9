from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from narrows.export_module import ExportError
from narrows.export_target import export_target
from service.cli.commands import app
from worker.cli import export as command
from worker.cli.export import export_module


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.conv(x).mean((2, 3)))
        return result


class Branching(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else x


class OneBatch(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(2, 3, 8, 8))


class Several(Small):
    def forward(self, *images: Tensor) -> Tensor:
        return super().forward(torch.stack(images).sum(0))


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small, self.embed = Small(), nn.Embedding(5, 2)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        result: Tensor = self.small(x) + self.embed(token)
        return result


class Named(nn.Module):
    """Takes its inputs by name, as models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 4), nn.Linear(4, 2)

    def forward(self, mask: Tensor, scale: float = 1.0, *, ids: Tensor) -> Tensor:
        result: Tensor = self.head((self.embed(ids) * mask[..., None]).sum(1)) * scale
        return result


class Fourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


class Transforming(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Fourier())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x)
        return result


INSTANCE = Small()


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the child, which takes seconds to load torch; `test_a_project…` has it."""
    monkeypatch.setattr(command, "_export_in_child", export_target)


def export(name: str, *arguments: object, size: str = "2x3x8x8") -> Result:
    """Run `narrows export` for a network in this file."""
    command = ["export", f"{__name__}:{name}", "--input", size, *map(str, arguments)]
    return CliRunner().invoke(app, command)


@pytest.mark.parametrize("name", ["Small", "INSTANCE"])
def test_it_says_what_it_made(name: str, tmp_path: Path) -> None:
    done = export(name, "-o", tmp_path / "m.pt2", size="1x3x8x8")
    assert done.exit_code == 0, done.output
    assert "2 layers, of which 1 can be pruned; 122 parameters" in done.output
    assert "input x: float32 [batch, 3, 8, 8]" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]


def test_weights_are_loaded(tmp_path: Path) -> None:
    weights = {name: tensor + 1 for name, tensor in INSTANCE.state_dict().items()}
    torch.save(weights, tmp_path / "w.pt")
    done = export("Small", "-o", tmp_path / "m.pt2", "--weights", tmp_path / "w.pt")
    assert done.exit_code == 0, done.output
    torch.save({}, tmp_path / "w.pt")
    done = export("Small", "-o", tmp_path / "m.pt2", "--weights", tmp_path / "w.pt")
    assert done.exit_code == 1
    assert "Missing key(s)" in done.output


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("Branching", "2x3x8x8", "depends on values"),
        ("OneBatch", "2x3x8x8", "--static"),
        ("Transforming", "2x8x9", "aten.fft_rfft.default in module 'inner.0'"),
        ("Small", "2x4x8x8", "expected input"),
        ("Small", "3x8x8", "--input starts with the batch size: 1x3x8x8"),
        ("nowhere", "2x3x8x8", "no attribute 'nowhere'"),
        ("Tensor", "2x3x8x8", "gives a Tensor, not a torch.nn.Module"),
    ],
)
def test_what_can_not_be_exported(name: str, size: str, said: str, tmp_path: Path) -> None:
    done = export(name, "-o", tmp_path / "m.pt2", size=size)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_weights_that_could_run_code_are_not_loaded(tmp_path: Path) -> None:
    torch.save(INSTANCE, tmp_path / "w.pt")
    done = export("Small", "-o", tmp_path / "m.pt2", "--weights", tmp_path / "w.pt")
    assert done.exit_code == 1
    assert "is no plain state_dict" in done.output


@pytest.mark.parametrize("content", [b"", b"not weights", bytes(range(256)), b"PK\3\4"])
def test_a_file_that_holds_no_weights(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    done = export("Small", "-o", tmp_path / "m.pt2", "--weights", tmp_path / "w.pt")
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "w.pt is no plain state_dict" in done.output
    assert "torch.save(network.state_dict(), path)" in done.output


@pytest.mark.parametrize("value", [[1, 2], {"epoch": 3, "state_dict": INSTANCE.state_dict()}])
def test_a_checkpoint_that_is_no_state_dict(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "w.pt")
    done = export("Small", "-o", tmp_path / "m.pt2", "--weights", tmp_path / "w.pt")
    assert done.exit_code == 1
    assert "torch.save(network.state_dict(), path)" in done.output


def test_nowhere_to_write(tmp_path: Path) -> None:
    for output in (tmp_path / "nope" / "m.pt2", tmp_path):
        done = export("Small", "-o", output)
        assert done.exit_code == 2
        assert "--output" in done.output


def test_a_dtype_for_each_input(tmp_path: Path) -> None:
    more = ("-o", tmp_path / "m.pt2", "--input", "2")
    done = export("Tokens", *more, "--dtype", "float32", "--dtype", "int64")
    assert done.exit_code == 0, done.output
    assert "token: int64 [batch]" in done.output
    done = export("Tokens", *more, *("--dtype", "int64") * 3)
    assert done.exit_code == 2
    assert "one for each --input" in " ".join(done.output.replace("│", " ").split())


def test_several_inputs(tmp_path: Path) -> None:
    done = export("Several", "-o", tmp_path / "m.pt2", "--input", "2x3x8x8")
    assert done.exit_code == 0, done.output
    assert done.output.count("float32 [batch, 3, 8, 8]") == 2


def test_inputs_by_name(tmp_path: Path) -> None:
    more = ("-o", tmp_path / "m.pt2", "--input", "mask=1x6", "--dtype", "int64")
    done = export("Named", *more, size="ids=1x6")
    assert done.exit_code == 0, done.output
    for name in ("ids", "mask"):
        assert f"input {name}: int64 [batch, 6]" in done.output
    done = export("Named", *more, size="id=1x6")
    assert done.exit_code == 1
    assert "unexpected keyword argument 'id'" in done.output


@pytest.mark.parametrize("names", [("", "mask="), ("ids=", "ids="), ("2=", "mask=")])
def test_names_of_inputs(names: tuple[str, str], tmp_path: Path) -> None:
    first, second = (f"{name}2x6" for name in names)
    done = export("Named", "-o", tmp_path / "m.pt2", "--input", second, size=first)
    assert done.exit_code == 2
    assert "the name of its own argument" in " ".join(done.output.replace("│", " ").split())


def test_a_fixed_batch(tmp_path: Path) -> None:
    done = export("OneBatch", "-o", tmp_path / "m.pt2", "--static")
    assert done.exit_code == 0, done.output
    assert "[2, 3, 8, 8]" in done.output


@pytest.mark.parametrize(("name", "size"), [("Small", "3xx"), ("", "2x3x8x8"), ("Small", "0x3")])
def test_usage(name: str, size: str, tmp_path: Path) -> None:
    assert export(name, "-o", tmp_path / "m.pt2", size=size).exit_code == 2


def test_outputs_must_be_those_of_the_module(tmp_path: Path) -> None:
    network = Small()
    inputs = (torch.randn(2, 3, 8, 8),)
    calls = iter(range(100))
    network.conv.register_forward_hook(lambda _m, _i, out: out * float(next(calls)))
    with pytest.raises(ExportError, match="other outputs than the module"):
        export_module(network, inputs, tmp_path / "m.pt2")
    assert list(tmp_path.iterdir()) == []
