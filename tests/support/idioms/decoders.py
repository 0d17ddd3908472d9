"""Decoders of two layers, spelt as the library transformers spells them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support.idioms.attention import attend, turned_halves
from tests.support.idioms.norms import rms_norm

WORDS, TOKENS = 11, 6


class Product(nn.Module):
    """GPT-2's `Conv1D`: a linear layer whose weight is [in, out]."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inside, outside) / 4)
        self.bias = nn.Parameter(torch.randn(outside))

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.weight.shape[1])
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(shape)


class GptLayer(nn.Module):
    """Layer norms, queries, keys and values from one product, and an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.c_attn, self.c_proj = Product(8, 24), Product(8, 8)
        self.c_fc, self.mlp_proj = Product(8, 12), Product(12, 8)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.c_attn(self.ln_1(x)).split(8, dim=2)
        q, k, v = (part.view(*part.shape[:-1], 2, 4).transpose(1, 2) for part in parts)
        seen = torch.tril(torch.ones(TOKENS, TOKENS, dtype=torch.bool))
        mixed = attend(q, k, v, mask=~seen).transpose(1, 2).contiguous()
        x = x + self.c_proj(mixed.view(*mixed.shape[:-2], 8))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """GPT-2 with a head that shares the words' table."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, 8), nn.Embedding(TOKENS, 8)
        self.h = nn.ModuleList(GptLayer() for _ in range(2))
        self.ln_f, self.lm_head = nn.LayerNorm(8), nn.Linear(8, WORDS, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.wte(x) + self.wpe(torch.arange(TOKENS)[None])
        for layer in self.h:
            h = layer(h)
        y: Tensor = self.lm_head(self.ln_f(h))
        return y


class RmsNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(16) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * rms_norm(x)


class LlamaLayer(nn.Module):
    """RMS norms, four heads of queries for two of keys, rotary embeddings, a gated MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.input_norm, self.mlp_norm = RmsNorm(), RmsNorm()
        self.q_proj, self.o_proj = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.k_proj, self.v_proj = nn.Linear(16, 8, bias=False), nn.Linear(16, 8, bias=False)
        self.gate_proj, self.up_proj = nn.Linear(16, 12, bias=False), nn.Linear(16, 12, bias=False)
        self.down_proj = nn.Linear(12, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.input_norm(x)
        q, k, v = (
            project(h).view(x.shape[0], TOKENS, -1, 4).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = turned_halves(q), turned_halves(k)
        k, v = (
            few[:, :, None].expand(x.shape[0], 2, 2, TOKENS, 4).reshape(x.shape[0], 4, TOKENS, 4)
            for few in (k, v)
        )
        hidden = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
        mixed = attend(q, k, v, mask=hidden).transpose(1, 2).contiguous()
        x = x + self.o_proj(mixed.reshape(x.shape[0], TOKENS, -1).contiguous())
        n = self.mlp_norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(n)) * self.up_proj(n))


class Llama(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(WORDS, 16)
        self.layers = nn.ModuleList(LlamaLayer() for _ in range(2))
        self.norm, self.lm_head = RmsNorm(), nn.Linear(16, WORDS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed_tokens(x)
        for layer in self.layers:
            h = layer(h)
        y: Tensor = self.lm_head(self.norm(h))
        return y
