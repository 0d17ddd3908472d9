"""Makes networks of transformers, and inputs by their names.

A name is that of a family, `swin`, or of a family and what it is for, as transformers calls it:
`swin/ImageClassification`, `bert/TokenClassification`.
"""

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.zoo.sizes import small_config

BATCH = 2
"""The number of samples in the example inputs."""
TOKENS = 16
"""The length of texts."""
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
    config = small_config(transformers, kind)
    if part:
        modules = [getattr(import_module(path), part)(config)]
    else:
        modules = list(_for_tasks(transformers, name, config))
    for module in modules:
        for inputs in _inputs(module, config):
            yield module, inputs
        named = _by_name(module, config)
        yield Named(module, tuple(named)), tuple(named.values())


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
    if lags := getattr(config, "lags_sequence", None):
        known |= _series(config, max(lags), generator)
    names = [name for name in inspect.signature(module.forward).parameters if name in known]
    if "input_ids" not in names and "attention_mask" in names:  # a mask of something else
        names.remove("attention_mask")
    return {name: known[name] for name in names}


def _series(config: Any, lag: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a time series before and after a moment, with features of the time."""
    known: dict[str, Tensor] = {}
    for when, length in (
        ("past", config.context_length + lag),
        ("future", config.prediction_length),
    ):
        sizes = BATCH, length, config.num_time_features
        known[f"{when}_values"] = torch.randn(BATCH, length, generator=generator)
        known[f"{when}_time_features"] = torch.randn(sizes, generator=generator)
    return known | {"past_observed_mask": torch.ones_like(known["past_values"])}


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
