"""Makes networks of transformers: small configurations in code, and inputs by their names.

A name is that of a family, `swin`, or of a family and what it is for, as transformers calls it:
`swin/ImageClassification`, `bert/TokenClassification`.
"""

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 2
"""The number of samples in the example inputs."""
TOKENS = 16
"""The length of texts."""
SMALL: dict[str, Any] = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128,
    "num_key_value_heads": 4, "head_dim": 16, "vocab_size": 100, "max_position_embeddings": 64,
    "image_size": 64, "embedding_size": 64, "num_layers": 2, "num_heads": 4, "d_model": 64,
    "d_ff": 128, "d_kv": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "n_layer": 2, "n_layers": 2, "n_embd": 64, "n_head": 4, "n_heads": 4, "n_positions": 64,
    "dim": 64, "hidden_dim": 128, "conv_dim": (32, 32, 32), "conv_stride": (5, 4, 2),
    "conv_kernel": (10, 3, 3), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "max_source_positions": 32, "num_mel_bins": 16,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    "cross_attention_hidden_size": 64,
    "expand": 1, "max_length": 64, "rotary_dim": 16, "use_cache": False,
}  # fmt: skip
"""The attributes by which configurations call what makes a network small."""
_EXPERTS: dict[str, Any] = {
    "n_routed_experts": 4, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
_LATENT: dict[str, Any] = {
    "kv_lora_rank": 32, "q_lora_rank": 32, "qk_rope_head_dim": 16, "qk_nope_head_dim": 16,
    "qk_head_dim": 32, "v_head_dim": 16,
}  # fmt: skip
_STATES: dict[str, Any] = {
    "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 16, "mamba_chunk_size": 8,
    "mamba_n_groups": 2,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "bamba": {**_STATES, "hidden_size": 64, "mamba_expand": 2, "attn_layer_indices": [1]},
    "deepseek_v2": {**_EXPERTS, **_LATENT},
    "deepseek_v3": {**_EXPERTS, **_LATENT},
    "efficientnet": {"hidden_dim": 2560},
    "jamba": {**_EXPERTS, "mamba_d_state": 8},
    "lilt": {"hidden_size": 96},
    "mamba2": {
        "expand": 1,
        "hidden_size": 64,
        "n_groups": 2,
        "chunk_size": 8,
        "state_size": 16,
        "num_heads": 4,
        "head_dim": 16,
    },
    "swin": {"window_size": 2},
    "xlstm": {"hidden_size": 64, "num_blocks": 2, "num_heads": 4, "chunk_size": 8},
}
"""What sizes must fit each other in a family, by its name."""
PARTS = {
    "t5-encoder": ("t5", "transformers", "T5EncoderModel"),
    "whisper-encoder": (
        "whisper", "transformers.models.whisper.modeling_whisper", "WhisperEncoder"
    ),
}  # fmt: skip
"""Encoders without their decoder: configuration, module and class."""
TASKS = ("SequenceClassification", "ImageClassification", "AudioClassification", "")
"""What a network is made for, unless its name says it: the first of these that there is."""
CAUSAL = ("gpt2", "llama")
"""The networks of the zoo that predict the next token; others are, where no task above fits."""

Inputs = tuple[Tensor, ...]


class Named(nn.Module):
    """A module that gives its inputs to another one by names."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, *inputs: Tensor) -> Any:
        return self.net(**dict(zip(self.names, inputs, strict=True)))


def candidates(name: str) -> Iterator[tuple[nn.Module, Inputs]]:
    """Yield modules of this name with inputs that may fit them.

    Inputs are tried by their place first, then all that the module knows, by their names.
    """
    transformers = import_module("transformers")
    kind, path, part = PARTS.get(name, (name.partition("/")[0], "transformers", ""))
    own = OWN.get(kind, {})
    config = _small(transformers.AutoConfig.for_model(kind, **own))
    for key, value in own.items():
        setattr(config, key, value)
    if part:
        modules = [getattr(import_module(path), part)(config)]
    else:
        modules = list(_for_tasks(transformers, name, config))
    for module in modules:
        for inputs in _inputs(module, config):
            yield module, inputs
        named = _by_name(module, config)
        yield Named(module, tuple(named)), tuple(named.values())


def _small(config: Any) -> Any:
    """Make a configuration small, and those within it."""
    for key, value in SMALL.items():
        alike = int if isinstance(value, int) else Sequence
        if key in vars(config) and isinstance(getattr(config, key), alike | None):
            setattr(config, key, value)
    for inner in vars(config).values():
        if hasattr(inner, "model_type"):
            _small(inner)
    return config


def _for_tasks(transformers: Any, name: str, config: Any) -> Iterator[nn.Module]:
    _, _, own = name.partition("/")
    tasks = (own,) if own else ("CausalLM", *TASKS) if name in CAUSAL else TASKS
    for task in tasks:
        maker = getattr(transformers, f"AutoModelFor{task}" if task else "AutoModel")
        try:
            yield maker.from_config(config)
        except (ValueError, TypeError):  # there is no such class for this configuration
            continue


def _inputs(module: Any, config: Any) -> Iterator[Inputs]:
    generator = torch.Generator().manual_seed(0)
    match getattr(module, "main_input_name", "input_ids"):
        case "pixel_values":
            pixels = _image(config)
            yield (pixels,)
            if frames := getattr(config, "num_frames", None):
                yield (pixels[:, None] * torch.linspace(0.5, 1, frames)[:, None, None, None],)
        case "input_values":
            yield (torch.randn(BATCH, 4000, generator=generator),)
            if frames := getattr(config, "max_length", None):  # of a spectrogram
                yield (torch.randn(BATCH, frames, config.num_mel_bins, generator=generator),)
        case "input_features":
            bins = getattr(config, "num_mel_bins", 16)
            yield (torch.randn(BATCH, bins, 64, generator=generator),)
            for name in ("input_feat_per_channel", "feature_projection_input_dim"):
                if features := getattr(config, name, None):
                    yield (torch.randn(BATCH, 64, features, generator=generator),)
        case "past_values":
            sizes = BATCH, config.context_length, getattr(config, "num_input_channels", 1)
            yield (torch.randn(sizes, generator=generator),)
        case _:
            ids = _ids(config)
            yield (ids,)
            if getattr(config, "is_encoder_decoder", False):
                yield ids, torch.ones_like(ids), ids  # of the encoder, its mask, of the decoder


def _by_name(module: nn.Module, config: Any) -> dict[str, Tensor]:
    """Return the inputs among those below that a module has, in its order."""
    ids, generator = _ids(config), torch.Generator().manual_seed(0)
    known = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "decoder_input_ids": ids,
        "bbox": torch.arange(0, 40, 10).expand(BATCH, TOKENS, 4),  # left, top, right, bottom
        "pixel_values": _image(config),
        "input_features": torch.randn(
            BATCH, getattr(config, "num_mel_bins", 16), 64, generator=generator
        ),
    }
    if features := getattr(config, "input_feat_per_channel", None):
        known["input_features"] = torch.randn(BATCH, 64, features, generator=generator)
    names = [name for name in inspect.signature(module.forward).parameters if name in known]
    if "input_ids" not in names and "attention_mask" in names:  # a mask of something else
        names.remove("attention_mask")
    return {name: known[name] for name in names}


def _ids(config: Any) -> Tensor:
    """Return tokens; 0 to 2 have a meaning of their own, such as padding."""
    generator = torch.Generator().manual_seed(0)
    size = getattr(getattr(config, "text_config", config), "vocab_size", 100)
    return torch.randint(3, size, (BATCH, TOKENS), generator=generator)


def _image(config: Any) -> Tensor:
    size = getattr(getattr(config, "vision_config", config), "image_size", 64)
    size = size[0] if isinstance(size, list | tuple) else size
    return image(size if isinstance(size, int) else 64, getattr(config, "num_channels", 3))


def image(size: int, channels: int = 3) -> Tensor:
    """Return images [2, channels, size, size] of random numbers.

    >>> image(8).shape
    torch.Size([2, 3, 8, 8])
    """
    return torch.randn(BATCH, channels, size, size, generator=torch.Generator().manual_seed(0))
