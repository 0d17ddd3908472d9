"""The sizes by which configurations of transformers are made small."""

from collections.abc import Sequence
from typing import Any

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
_SERIES: dict[str, Any] = {"prediction_length": 8, "context_length": 16, "num_time_features": 2}
OWN: dict[str, dict[str, Any]] = {
    "autoformer": {**_SERIES, "label_length": 8, "moving_average": 5},
    "bamba": {**_STATES, "hidden_size": 64, "mamba_expand": 2, "attn_layer_indices": [1]},
    "deepseek_v2": {**_EXPERTS, **_LATENT},
    "deepseek_v3": {**_EXPERTS, **_LATENT},
    "efficientnet": {"hidden_dim": 2560},
    "informer": _SERIES,
    "jamba": {**_EXPERTS, "mamba_d_state": 8},
    "lilt": {"hidden_size": 96},
    "mamba2": {
        "expand": 1, "hidden_size": 64, "n_groups": 2, "chunk_size": 8, "state_size": 16,
        "num_heads": 4, "head_dim": 16,
    },
    "reformer": {
        "hidden_size": 64, "axial_pos_embds": False, "attn_layers": ["local", "local"],
        "local_attn_chunk_length": 8, "attention_head_size": 16, "feed_forward_size": 128,
    },
    "swin": {"window_size": 2},
    "time_series_transformer": _SERIES,
    "xlstm": {"hidden_size": 64, "num_blocks": 2, "num_heads": 4, "chunk_size": 8},
}  # fmt: skip
"""What sizes must fit each other in a family, by its name."""


def small_config(transformers: Any, kind: str) -> Any:
    """Return a small configuration of a family; `transformers` is the library."""
    own = OWN.get(kind, {})
    config = _small(transformers.AutoConfig.for_model(kind, **own))
    for key, value in own.items():
        setattr(config, key, value)
    return config


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
