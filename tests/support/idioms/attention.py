"""Attention as models write it: 2 heads of 4 channels, or 4 with fewer of keys and values."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TOKENS = 6


def attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return softmax(q kᵀ / √d + bias) v, with the masked scores at minus infinity."""
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return scores.softmax(-1) @ v


class Attention(nn.Module):
    """Queries, keys and values from one projection, with nothing else than a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Linear(5, 8), nn.Linear(8, 24)
        self.out, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.more()

    def more(self) -> None:
        """Make the tensors of a kind of attention."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head((x + self.out(self.mix(x).transpose(1, 2).flatten(2))).mean(1))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values [batch, heads, tokens, width]."""
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, 2, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        return q, k, v

    def mix(self, x: Tensor) -> Tensor:
        return attend(*self.split(x))


class Masked(Attention):
    def mix(self, x: Tensor) -> Tensor:
        hidden = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
        return attend(*self.split(x), mask=hidden)


class RelativeBias(Attention):
    """A table of biases, a column for each head, as Swin's."""

    distance: Tensor

    def more(self) -> None:
        self.table = nn.Parameter(torch.randn(2 * TOKENS - 1, 2))
        position = torch.arange(TOKENS)
        self.register_buffer("distance", position[:, None] - position + TOKENS - 1)

    def bias(self) -> Tensor:
        picked = self.table[self.distance.view(-1)].view(TOKENS, TOKENS, -1)
        return picked.permute(2, 0, 1).unsqueeze(0)

    def mix(self, x: Tensor) -> Tensor:
        return attend(*self.split(x), bias=self.bias())


class EmbeddedBias(RelativeBias):
    """An embedding of distances with a column for each head, as T5's."""

    def more(self) -> None:
        super().more()
        self.biases = nn.Embedding(2 * TOKENS - 1, 2)

    def bias(self) -> Tensor:
        biases: Tensor = self.biases(self.distance)
        return biases.permute(2, 0, 1).unsqueeze(0)


class CosineAttention(RelativeBias):
    """A scale for each head, and biases from a small network, as Swin V2's."""

    places: Tensor

    def more(self) -> None:
        super().more()
        self.scale = nn.Parameter(torch.rand(2, 1, 1))
        self.biases = nn.Sequential(nn.Linear(1, 7), nn.ReLU(), nn.Linear(7, 2, bias=False))
        self.register_buffer("places", torch.linspace(-1, 1, 2 * TOKENS - 1)[:, None])

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        picked = self.biases(self.places)[self.distance.view(-1)].view(TOKENS, TOKENS, -1)
        bias = 16 * picked.permute(2, 0, 1).sigmoid()
        return (scores * self.scale.clamp(max=4.6).exp() + bias).softmax(-1) @ v


class TalkingHeads(Attention):
    """Linear maps between heads, as CaiT's: their outputs are other heads."""

    def more(self) -> None:
        self.before, self.after = nn.Linear(2, 2), nn.Linear(2, 2)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        scores = self.before((q @ k.transpose(-2, -1)).permute(0, 2, 3, 1)).softmax(2)
        weights: Tensor = self.after(scores).permute(0, 3, 1, 2)
        return weights @ v


class CrossCovariance(Attention):
    """Attention among the channels of a head, as XCiT's."""

    def more(self) -> None:
        self.scale = nn.Parameter(torch.ones(2, 1, 1))

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = (F.normalize(part.transpose(-2, -1), dim=-1) for part in self.split(x))
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return (weights @ v).transpose(-2, -1)


class ByEinsum(Attention):
    """Products by letters, as MaxViT's."""

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        weights = torch.einsum("B H I D, B H J D -> B H I J", q, k).softmax(-1)
        return torch.einsum("B H I J, B H J D -> B H I D", weights, v)


class ByEllipsis(Attention):
    """Products by letters of the last dimensions, the heads among them, as LongT5's."""

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = (part.transpose(1, 2) for part in self.split(x))
        weights = torch.einsum("...qhd,...khd->...hqk", q, k).softmax(-1)
        return torch.einsum("...hqk,...khd->...qhd", weights, v).transpose(1, 2)


class EinsumWeights(Attention):
    """Layers by letters, whose weights have a dimension for the heads; keys of places, as XLNet's.

    The places are fixed, and their keys are computed of a parameter alone.
    """

    places: Tensor

    def more(self) -> None:
        self.q, self.k, self.v = (nn.Parameter(torch.randn(8, 2, 4)) for _ in range(3))
        self.o, self.r = nn.Parameter(torch.randn(8, 2, 4)), nn.Parameter(torch.randn(7, 2, 4))
        self.register_buffer("places", torch.randn(TOKENS, 7))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        q, k, v = (torch.einsum("bih,hnd->bnid", x, w) for w in (self.q, self.k, self.v))
        places = torch.einsum("jh,hnd->jnd", self.places, self.r)
        bias = torch.einsum("bnid,jnd->bnij", q, places)
        mixed = torch.einsum("bnid,hnd->bih", attend(q, k, v, bias=bias), self.o)
        return self.head((x + mixed).mean(1))


class AddedBias(Attention):
    """Heads in the batch, and biases that are added to the product, as Bloom's."""

    def mix(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        slopes = torch.tensor([0.5, 0.25], dtype=x.dtype)[:, None, None] * torch.arange(TOKENS)
        q, k, v = (part.reshape(batch * 2, TOKENS, 4) for part in self.split(x))
        scores = slopes.repeat(batch, 1, 1).baddbmm(q, k.transpose(1, 2), beta=1.0, alpha=0.5)
        return torch.bmm(scores.softmax(-1), v).view(batch, 2, TOKENS, 4)


def angles(width: int) -> Tensor:
    """Return the angles [tokens, width] by which rotary embeddings turn pairs of channels."""
    return torch.arange(TOKENS)[:, None].double() * torch.arange(1, width + 1)


def turned_halves(x: Tensor) -> Tensor:
    """Turn channel c with channel c + width / 2, as Llama does."""
    a, b = x.chunk(2, -1)
    turns = torch.cat([angles(a.shape[-1])] * 2, -1)
    return x * turns.cos() + torch.cat((-b, a), -1) * turns.sin()


def turned_pairs(x: Tensor) -> Tensor:
    """Turn channel 2c with channel 2c + 1, as GPT-J and EVA do."""
    a, b = x[..., ::2], x[..., 1::2]
    turns = angles(a.shape[-1]).repeat_interleave(2, -1)
    return x * turns.cos() + torch.stack((-b, a), -1).flatten(-2) * turns.sin()


class RotaryHalves(Attention):
    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        return attend(turned_halves(q), turned_halves(k), v)


class RotaryPairs(Attention):
    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        return attend(turned_pairs(q), turned_pairs(k), v)


class PartlyRotary(Attention):
    """Half of a head's channels are turned, as GPT-NeoX's."""

    turned = 2

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        parts = ((p[..., : self.turned], p[..., self.turned :]) for p in (q, k))
        q, k = (torch.cat([turned_halves(first), rest], -1) for first, rest in parts)
        return attend(q, k, v)


class WhollyRotary(PartlyRotary):
    """All of them, so that what is not turned is empty, as Phi-3's."""

    turned = 4


class FewerKeys(Attention):
    """Four heads of queries, and fewer of keys and values."""

    def __init__(self, heads: int, way: str) -> None:
        self.heads, self.way = heads, way
        super().__init__()

    def more(self) -> None:
        self.qkv = nn.Linear(8, 16 + 2 * 4 * self.heads)
        self.out = nn.Linear(16, 8)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.way == "picked":
            heads = self.qkv(x).view(x.shape[0], TOKENS, self.heads, -1, 4)
            if self.heads == 1:
                heads = heads.view(x.shape[0], TOKENS, -1, 4)
            q, k, v = heads[..., :-2, :], heads[..., [-2], :], heads[..., [-1], :]
            if self.heads > 1:
                k, v = (part.broadcast_to(q.shape).flatten(2, 3) for part in (k, v))
                q = q.flatten(2, 3)
            return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        parts = self.qkv(x).split([16, 4 * self.heads, 4 * self.heads], -1)
        q, k, v = (part.view(x.shape[0], TOKENS, -1, 4).transpose(1, 2) for part in parts)
        return q, k, v

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        q, k, times = turned_halves(q), turned_halves(k), 4 // self.heads
        if self.way == "picked":
            return attend(q, k, v)
        if self.way == "of torch":
            return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        if self.way == "interleaved":
            return attend(q, k.repeat_interleave(times, 1), v.repeat_interleave(times, 1))
        if self.way == "in groups":
            q = q.reshape(x.shape[0], self.heads, times, TOKENS, 4)
            return attend(q, k[:, :, None], v[:, :, None]).reshape(x.shape[0], 4, TOKENS, 4)
        shape = (x.shape[0], self.heads, times, TOKENS, 4)
        k, v = (part[:, :, None].expand(shape).reshape(x.shape[0], 4, TOKENS, 4) for part in (k, v))
        return attend(q, k, v)


class Disentangled(RelativeBias):
    """Heads in the batch, and biases that an index picks of products with keys of distances.

    As DeBERTa's.
    """

    def more(self) -> None:
        super().more()
        self.far, self.key = nn.Parameter(torch.randn(2 * TOKENS - 1, 5)), nn.Linear(5, 8)

    def mix(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        q, k, v = (part.reshape(batch * 2, TOKENS, -1) for part in self.split(x))
        far = self.key(self.far).view(-1, 2, 4).transpose(0, 1).repeat(batch, 1, 1)
        index = self.distance.expand(q.shape[0], TOKENS, TOKENS)
        bias = torch.gather(torch.bmm(q, far.transpose(1, 2)), -1, index)
        return attend(q, k, v, bias).view(batch, 2, TOKENS, 4)


class SingleHead(Attention):
    """One head, whose queries and keys are narrower than its values, as PVT's and SHViT's."""

    def __init__(self, scale: float | None) -> None:
        super().__init__()
        self.scale = scale
        self.qk, self.v = nn.Linear(8, 12), nn.Linear(8, 8)

    def mix(self, x: Tensor) -> Tensor:
        q, k = self.qk(x)[:, None].chunk(2, -1)
        return F.scaled_dot_product_attention(q, k, self.v(x)[:, None], scale=self.scale)


class Outlook(nn.Module):
    """Weights for windows, which are cut out of an image, weighted and summed, as VOLO's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.v = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
        self.weights, self.out = nn.Conv2d(8, 2 * 9 * 9, 1), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        batch, _, height, width = x.shape
        windows = F.unfold(self.v(x), 3, padding=1)
        windows = windows.reshape(batch, 2, 4, 9, height * width).permute(0, 1, 4, 3, 2)
        weights = self.weights(x).flatten(2).transpose(1, 2)
        weights = weights.reshape(batch, height * width, 2, 9, 9).permute(0, 2, 1, 3, 4)
        mixed = (weights.softmax(-1) @ windows).permute(0, 1, 4, 3, 2)
        mixed = F.fold(mixed.reshape(batch, 8 * 9, height * width), (height, width), 3, padding=1)
        return self.head((x + self.out(mixed)).mean((2, 3)))


class Crossing(nn.Module):
    """Torch's attention of queries to other tokens: each projection has a piece of one weight.

    With `values` like the keys there are two pieces, otherwise three.
    """

    def __init__(self, pieces: int, *, batch_first: bool) -> None:
        super().__init__()
        self.pieces, self.batch_first = pieces, batch_first
        self.embed, self.memory, self.head = nn.Linear(5, 8), nn.Linear(5, 8), nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        x, keys = self.embed(x), self.memory(x)
        if not self.batch_first:
            x, keys = x.transpose(0, 1), keys.transpose(0, 1)
        values = keys if self.pieces == 2 else keys * 2
        mixed, _ = self.attention(x, keys, values)
        return self.head((x + mixed).mean(1 if self.batch_first else 0))


class LearnedQueries(nn.Module):
    """Four learned tokens, the same for all samples, ask the others, as DETR's decoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.queries, self.head = nn.Linear(5, 8), nn.Embedding(4, 8), nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        keys = self.embed(x).transpose(0, 1)
        queries = self.queries.weight.unsqueeze(1).repeat(1, x.shape[0], 1)
        mixed, _ = self.attention(queries, keys, keys * 2)
        return self.head((queries + mixed).mean(0))


KINDS: Mapping[str, type[Attention]] = {
    "plain": Attention,
    "masked": Masked,
    "relative bias": RelativeBias,
    "embedded bias": EmbeddedBias,
    "cosine": CosineAttention,
    "talking heads": TalkingHeads,
    "cross covariance": CrossCovariance,
    "by einsum": ByEinsum,
    "by ellipsis": ByEllipsis,
    "einsum weights": EinsumWeights,
    "added bias": AddedBias,
    "disentangled": Disentangled,
    "rotary halves": RotaryHalves,
    "rotary pairs": RotaryPairs,
    "partly rotary": PartlyRotary,
    "wholly rotary": WhollyRotary,
}
WAYS = ("of torch", "interleaved", "in groups", "expanded")
"""The ways in which a head of keys and values serves several of queries."""
