"""Small networks of blocks that hypothesis draws."""

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.support.idioms.groups import Scales, as_efficientvit


class Layer(nn.Module):
    """Convolution, batch norm, ReLU; the channels' gates sit on the norm."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2, groups=groups)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class Residual(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first, self.second = Layer(width, inner), Layer(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class Concatenation(nn.Module):
    def __init__(self, width: int, more: int) -> None:
        super().__init__()
        self.branch = Layer(width, more)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch(x), x], 1)


class Excitation(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * self.excite(inner).sigmoid()


class Net(nn.Module):
    """Blocks drawn by name, each with a width of its own; flattened or averaged for the head."""

    def __init__(self, blocks: list[tuple[str, int]], *, flat: bool) -> None:
        super().__init__()
        width = 4
        made: list[nn.Module] = [Layer(3, width)]
        for kind, size in blocks:
            if kind == "plain":
                made.append(Layer(width, size))
                width = size
            elif kind == "residual":
                made.append(Residual(width, size))
            elif kind == "concatenation":
                made.append(Concatenation(width, size))
                width += size
            elif kind == "depthwise":
                made.append(Layer(width, width * (1 + size % 2), groups=width))
                width *= 1 + size % 2
            elif kind == "grouped":
                made += [Layer(width, 4, 1), Layer(4, 2 * size, groups=2)]
                width = 2 * size
            elif kind == "heads":
                made.append(Scales(width, as_efficientvit, size))
            else:
                made.append(Excitation(width, size))
        self.body, self.flat = nn.Sequential(*made), flat
        self.hidden = nn.Linear(width * (16 if flat else 1), 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = torch.flatten(x, 1) if self.flat else x.mean((2, 3))
        return self.head(F.relu(self.hidden(x)))


KINDS = ["plain", "residual", "concatenation", "depthwise", "grouped", "heads", "excitation"]
BLOCKS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(2, 5)), max_size=4)
IMAGE = torch.randn(3, 3, 4, 4).double()
