"""Makes a network of the zoo by its name, with random weights, and example inputs for it.

Nothing is downloaded: configurations are made in code. Sizes of images are as small as the network
allows.
"""

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchmarks.zoo.names import TENSOR

BATCH = 2
"""The number of samples in the example inputs."""
IMAGE_SIZES = (64, 96, 224, 256, 299)
"""The sizes of images that are tried, in pixels."""
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
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "expand": 1, "max_length": 64, "rotary_dim": 16, "use_cache": False,
}  # fmt: skip
"""The attributes by which configurations of transformers call what makes a network small."""
PARTS = {
    "t5-encoder": ("t5", "transformers", "T5EncoderModel"),
    "whisper-encoder": (
        "whisper", "transformers.models.whisper.modeling_whisper", "WhisperEncoder"
    ),
}  # fmt: skip
"""Encoders without their decoder: configuration, module and class."""
TASKS = (
    "AutoModelForSequenceClassification",
    "AutoModelForImageClassification",
    "AutoModelForAudioClassification",
    "AutoModel",
)
"""What a network is made for: the first of these that there is."""
CAUSAL = ("gpt2", "llama")
"""The networks of the zoo that predict the next token; others are, where no task above fits."""
VIDEO = ("r3d", "mc3", "r2plus1d", "s3d", "mvit", "swin3d")
"""How the names of torchvision's networks for videos begin; one for optical flow is raft."""
FRAMES = 16
"""The length of videos."""


class FirstTensor(nn.Module):
    """A module that returns the first tensor of what another one returns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)[0]  # type: ignore[no-any-return]


def make(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the network of this name in eval mode, and example inputs that it runs on.

    Raises ValueError for a name without a library, and whatever the library raises.
    """
    library, _, own = name.partition(":")
    if not own or library not in _MAKERS:
        raise ValueError(f"{name!r} must be one of: {', '.join(f'{known}:…' for known in _MAKERS)}")
    own, picked = own.removesuffix(TENSOR), own.endswith(TENSOR)
    failure: Exception = ValueError(f"{library} makes no network of the name {own!r}")
    for module, inputs in _MAKERS[library](own):
        module = (FirstTensor(module) if picked else module).eval()
        try:
            with torch.no_grad():
                module(*inputs)
        except Exception as error:  # the network's own, for a size that it does not take
            failure = error
            continue
        return module, inputs
    raise failure


def first_output(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the first tensor among what a module returns."""
    with torch.no_grad():
        leaves = pytree.tree_leaves(module(*inputs))
    return next(leaf for leaf in leaves if isinstance(leaf, Tensor))


Candidates = Iterator[tuple[nn.Module, tuple[Tensor, ...]]]


def _torchvision(name: str) -> Candidates:
    models = import_module("torchvision.models")
    builder = models.get_model_builder(name)
    known = inspect.signature(builder).parameters
    options = {"weights_backbone": None} if "weights_backbone" in known else {}
    resizable = name.startswith("vit_")
    for size in IMAGE_SIZES:
        sized = {"image_size": size} if resizable and size % 32 == 0 else {}
        image = _image(size)
        inputs: tuple[Tensor, ...] = (image,)
        if name.startswith(VIDEO):
            inputs = (image[:, :, None] * torch.linspace(0.5, 1, FRAMES)[:, None, None],)
        elif name.startswith("raft"):
            inputs = (image, image.flip(-1))
        yield builder(weights=None, **options, **sized), inputs


def _timm(name: str) -> Candidates:
    timm = import_module("timm")
    for size in IMAGE_SIZES:
        for options in ({"img_size": size}, {}):
            try:
                module = timm.create_model(name, pretrained=False, **options)
            except Exception:  # timm's own: the network has no such option, or not such a size
                continue
            channels = module.pretrained_cfg.get("input_size", (3,))[0]
            yield module, (_image(size, channels),)


def _transformers(name: str) -> Candidates:
    transformers = import_module("transformers")
    kind, path, part = PARTS.get(name, (name, "transformers", ""))
    config = _small(transformers.AutoConfig.for_model(kind))
    if part:
        modules = [getattr(import_module(path), part)(config)]
    else:
        modules = list(_for_tasks(transformers, name, config))
    for module in modules:
        for inputs in _inputs(module, config):
            yield module, inputs


def _small(config: Any) -> Any:
    for key, value in SMALL.items():
        alike = int if isinstance(value, int) else Sequence
        if key in vars(config) and isinstance(getattr(config, key), alike | None):
            setattr(config, key, value)
    return config


def _for_tasks(transformers: Any, name: str, config: Any) -> Iterator[nn.Module]:
    for task in ("AutoModelForCausalLM", *TASKS) if name in CAUSAL else TASKS:
        try:
            yield getattr(transformers, task).from_config(config)
        except (ValueError, TypeError):  # there is no such class for this configuration
            continue


def _inputs(module: Any, config: Any) -> Iterator[tuple[Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    match getattr(module, "main_input_name", "input_ids"):
        case "pixel_values":
            size = getattr(config, "image_size", 64)
            image = _image(size if isinstance(size, int) else 64)
            yield (image,)
            if frames := getattr(config, "num_frames", None):
                yield (image[:, None] * torch.linspace(0.5, 1, frames)[:, None, None, None],)
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
            sizes = BATCH, config.context_length, config.num_input_channels
            yield (torch.randn(sizes, generator=generator),)
        case _:  # 0 to 2 have a meaning of their own, such as padding
            ids = torch.randint(3, config.vocab_size, (BATCH, TOKENS), generator=generator)
            yield (ids,)
            if getattr(config, "is_encoder_decoder", False):
                yield ids, torch.ones_like(ids), ids  # of the encoder, its mask, of the decoder


def _image(size: int, channels: int = 3) -> Tensor:
    return torch.randn(BATCH, channels, size, size, generator=torch.Generator().manual_seed(0))


_MAKERS = {"torchvision": _torchvision, "timm": _timm, "transformers": _transformers}
