"""Tables that the program computes, and layers along tokens."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Positions(nn.Module):
    """Sines and cosines of positions, which the program computes, are added to 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.make, self.read = nn.Linear(5, 8), nn.Linear(8, 3)

    def table(self, x: Tensor) -> Tensor:
        speeds = torch.exp(torch.arange(0, 8, 2) * (-math.log(10000.0) / 8))
        angles = torch.arange(x.shape[1])[:, None] * speeds
        return torch.stack((angles.sin(), angles.cos()), 2).flatten(1).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.make(x) + self.table(x))


class FilledPositions(Positions):
    """Tensors of one number, whose size is written in the program."""

    def table(self, x: Tensor) -> Tensor:
        return x.new_full((1, 8), 2.0) + torch.ones(6, 8, dtype=x.dtype)


class SizesAlone(Positions):
    """Masks made of one channel, of which nothing is read, or of one that is like all others."""

    def table(self, x: Tensor) -> Tensor:
        made = self.make(x)
        mask = torch.ones_like(made[..., 0]) - torch.zeros_like(made)[..., -1]
        return mask[..., None].cumsum(1)


class Aggregation(nn.Module):
    """A convolution along the channels, with kernel 1, as CoaT's sum of its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 8), nn.Linear(5, 8)
        self.mix, self.read = nn.Conv1d(2, 1, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.stack([self.left(x).mean(1), self.right(x).mean(1)], 1)
        return self.read(self.mix(both).squeeze(1))


class Mixer(nn.Module):
    """Layers along tokens, whose hidden neurons may go, and along channels, as MLP-Mixer's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.tokens = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))
        self.channels = nn.Sequential(nn.Linear(8, 10), nn.GELU(), nn.Linear(10, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.tokens(x.transpose(1, 2)).transpose(1, 2)
        return self.head((x + self.channels(x)).mean(1))


class SpatialGate(nn.Module):
    """A gate that is a linear map along tokens, as gMLP's."""

    def __init__(self) -> None:
        super().__init__()
        self.widen, self.gate, self.head = nn.Linear(5, 12), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.widen(x).chunk(2, -1)
        return self.head(values * self.gate(gates.transpose(1, 2)).transpose(1, 2))


class NoRegisters(nn.Module):
    """A parameter without tokens, which are joined with others, as DINOv3's registers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.registers = nn.Parameter(torch.empty(1, 0, 8))

    def forward(self, x: Tensor) -> Tensor:
        registers = self.registers.expand(x.shape[0], -1, -1)
        return self.head(torch.cat([registers, self.embed(x)], 1).mean(1))


class Recurrent(nn.Module):
    """Channels that an LSTM reads in both directions, as Sequencer's, and a GRU's cell, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Linear(5, 8), nn.LSTM(8, 4, bidirectional=True, batch_first=True)
        self.cell, self.head = nn.GRUCell(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(self.lstm(x)[0].mean(1)) + self.cell(x[:, 0])


class GatedMlp(nn.Module):
    """SwiGLU, from one projection that is split, or GeGLU from two."""

    def __init__(self, *, packed: bool) -> None:
        super().__init__()
        self.packed = packed
        self.up, self.gate = nn.Linear(5, 24 if packed else 12), nn.Linear(5, 12)
        self.down = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.packed:
            gate, up = self.up(x).chunk(2, -1)
            return self.down(nn.functional.silu(gate) * up)
        return self.down(nn.functional.gelu(self.gate(x)) * self.up(x))


class PickedToken(nn.Module):
    """The token of the largest id, as CLIP's text encoder takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x)
        return self.head(tokens[torch.arange(x.shape[0]), x[:, :, 0].argmax(-1)])


class PooledTokens(nn.Module):
    """Means and maxima of neighbouring tokens, by windows that hold one channel, as Funnel's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x)[:, None]
        means = F.avg_pool2d(tokens, (2, 1), stride=(2, 1), ceil_mode=True)
        return self.head((means + F.max_pool2d(tokens, (2, 1))[:, :, :3])[:, 0].mean(1))


class PickedPositions(nn.Module):
    """Products with rows that are picked of a table of positions, by letters, as MViT's."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.head = nn.Linear(5, 8), nn.Linear(6, 3)
        self.table = nn.Parameter(torch.randn(11, 8))

    def forward(self, x: Tensor) -> Tensor:
        distance = torch.arange(6)[:, None] - torch.arange(6) + 5
        return self.head(torch.einsum("btc,tkc->btk", self.q(x), self.table[distance]).mean(1))


def shuffled(x: Tensor) -> Tensor:
    """Return the channels of two halves in turn."""
    batch, channels, height, width = x.shape
    halves = x.view(batch, 2, channels // 2, height, width)
    return halves.transpose(1, 2).contiguous().view(batch, channels, height, width)


class ShuffleUnit(nn.Module):
    """ShuffleNet's unit: half of the channels go through a branch, then the halves are shuffled."""

    def __init__(self) -> None:
        super().__init__()
        depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.branch = nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), depthwise, nn.Conv2d(6, 6, 1))

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, 1)
        return shuffled(torch.cat([kept, self.branch(changed).relu()], 1))


class ShuffleNet(nn.Module):
    """Two branches and units behind them, so that channels are shuffled several times."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 6, 1), nn.Conv2d(3, 6, 1)
        self.units = nn.Sequential(*(ShuffleUnit() for _ in range(units)))
        self.last, self.head = nn.Conv2d(12, 5, 1), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = shuffled(torch.cat([self.left(x), self.right(x)], 1))
        return self.head(self.last(self.units(x)).mean((2, 3)))
