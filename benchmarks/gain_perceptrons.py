"""Small networks of linear layers for 8×8 images: perceptrons and transformers."""

from math import sqrt

import torch
from torch import Tensor, nn

from benchmarks.architecture import ACTIVATIONS, CLASSES, SIDE, Architecture

PATCH, HEAD = 2, 4


class Mlp(nn.Module):
    """Linear layers `linear1` …, each with activation, and no norm; a linear `head`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.act = ACTIVATIONS[architecture.activation]
        inside = SIDE**2
        self.depth = len(architecture.widths)
        for number, width in enumerate(architecture.widths, start=1):
            self.add_module(f"linear{number}", nn.Linear(inside, width))
            inside = width
        self.head = nn.Linear(inside, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for number in range(1, self.depth + 1):
            x = self.act(self.get_submodule(f"linear{number}")(x))
        logits: Tensor = self.head(x)
        return logits


class Block(nn.Module):
    """Attention with `heads` heads of width HEAD, and a perceptron of width `inner`."""

    def __init__(self, stream: int, heads: int, inner: int, activation: str) -> None:
        super().__init__()
        self.act = ACTIVATIONS[activation]
        self.norm1, self.norm2 = nn.LayerNorm(stream), nn.LayerNorm(stream)
        self.query, self.key, self.value = (nn.Linear(stream, heads * HEAD) for _ in range(3))
        self.out = nn.Linear(heads * HEAD, stream)
        self.up, self.down = nn.Linear(stream, inner), nn.Linear(inner, stream)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        query, key, value = (self.split(f(y)) for f in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(-1, -2) / sqrt(HEAD), -1)
        x = x + self.out((weights @ value).transpose(1, 2).flatten(2))
        result: Tensor = x + self.down(self.act(self.up(self.norm2(x))))
        return result

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], -1, HEAD).transpose(1, 2)


class Transformer(nn.Module):
    """Patches of 2×2 pixels, blocks, mean; `widths` are stream, and heads and inner of each."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        stream, *rest = architecture.widths
        self.embed = nn.Linear(PATCH**2, stream)
        self.position = nn.Parameter(torch.zeros((SIDE // PATCH) ** 2, stream))
        blocks = zip(rest[::2], rest[1::2], strict=True)
        self.blocks = nn.ModuleList(Block(stream, *b, architecture.activation) for b in blocks)
        self.norm = nn.LayerNorm(stream)
        self.head = nn.Linear(stream, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = (
            x.reshape(-1, SIDE // PATCH, PATCH, SIDE // PATCH, PATCH)
            .transpose(2, 3)
            .flatten(3)
            .flatten(1, 2)
        )
        x = self.embed(x) + self.position
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x).mean(1))
        return logits
