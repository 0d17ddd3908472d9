"""Transformers: ViT-Tiny with timm's structure, BERT with that of the library transformers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FusedAttention(nn.Module):
    """Self-attention of timm's ViT: one layer gives queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        projected: Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, width))
        return projected


class ViTBlock(nn.Module):
    """A block of ViT: attention and MLP, each behind a layer norm and with a residual addition."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = FusedAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class ViT(nn.Module):
    """A vision transformer with a class token; by default ViT-Tiny with patches of 16²."""

    def __init__(
        self, size: int, classes: int = 10, width: int = 192, heads: int = 3, depth: int = 12
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + (size // 16) ** 2, width))
        self.blocks = nn.Sequential(*(ViTBlock(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.position
        logits: Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return logits


class BertLayer(nn.Module):
    """A layer of BERT: attention and MLP, each with a residual addition and a layer norm behind."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-12) for _ in range(2))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.heads, self.head_width)
        q, k, v = (
            layer(x).view(shape).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y = self.proj(y.transpose(1, 2).reshape(x.shape))
        x = self.norm1(self.dropout(y) + x)
        y = self.down(F.gelu(self.up(x)))
        normed: Tensor = self.norm2(self.dropout(y) + x)
        return normed


class Bert(nn.Module):
    """BERT for sequences of token numbers, where 0 is padding; it classifies by its first token."""

    def __init__(
        self, tokens: int, width: int, heads: int, vocabulary: int, classes: int = 10
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.positions, self.types = nn.Embedding(tokens, width), nn.Embedding(2, width)
        self.norm, self.dropout = nn.LayerNorm(width, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(BertLayer(width, heads, 4 * width) for _ in range(2))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        embedded = self.words(x) + self.types(torch.zeros_like(x)) + self.positions(places)
        mask = (x != 0)[:, None, None, :].expand(-1, 1, x.shape[1], -1)
        y = self.dropout(self.norm(embedded))
        for layer in self.layers:
            y = layer(y, mask)
        logits: Tensor = self.head(self.dropout(torch.tanh(self.pooler(y[:, 0]))))
        return logits
