"""The eight networks of `benchmarks.hvp` and `benchmarks.peers`, with data of their own size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.convolutional_networks import densenet121, resnet50
from benchmarks.depthwise_networks import efficientnet_b0, mobilenet_v2
from benchmarks.networks import ResNet18, calibrate_norms, vgg11
from benchmarks.transformer_networks import Bert, ViT

CLASSES = 10
OWN_SIZE = 224
"""The height and width of ImageNet's images."""


@dataclass(frozen=True)
class Subject:
    """A network in eval mode, and a batch of random data for it."""

    module: nn.Module
    x: Tensor
    y: Tensor


def _of_images(make: Callable[[int], nn.Module]) -> Callable[[int, int], Subject]:
    def subject(batch: int, size: int) -> Subject:
        module = calibrate_norms(make(size), (3, size, size))
        return Subject(module, torch.randn(batch, 3, size, size), torch.randint(CLASSES, (batch,)))

    return subject


def _bert(batch: int, size: int) -> Subject:
    """Return BERT-Base's width and 128 tokens at its own size; else a small one, of 16 tokens.

    Every second sequence is padded from its middle on.
    """
    own = size == OWN_SIZE
    tokens, width, heads, vocabulary = (128, 768, 12, 30_522) if own else (16, 64, 4, 1000)
    x = torch.randint(1, vocabulary, (batch, tokens))
    x[::2, tokens // 2 :] = 0
    module = Bert(tokens, width, heads, vocabulary, CLASSES).eval()
    return Subject(module, x, torch.randint(CLASSES, (batch,)))


SUBJECTS: Mapping[str, Callable[[int, int], Subject]] = {
    "resnet18": _of_images(lambda size: ResNet18(CLASSES, large=size == OWN_SIZE)),
    "vgg11_bn": _of_images(lambda _: vgg11(CLASSES)),
    "resnet50": _of_images(lambda _: resnet50(CLASSES)),
    "mobilenet_v2": _of_images(lambda _: mobilenet_v2(CLASSES)),
    "efficientnet_b0": _of_images(lambda _: efficientnet_b0(CLASSES)),
    "densenet121": _of_images(lambda _: densenet121(CLASSES)),
    "vit_tiny": _of_images(lambda size: ViT(size, CLASSES)),
    "bert": _bert,
}
"""(batch, height and width of images) → a network with data, by name."""
