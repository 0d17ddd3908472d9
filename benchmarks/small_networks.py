"""Small six-layer networks of any widths: plain, residual and separable convolutions.

In every architecture, `widths[i]` is the width of `conv{i + 1}` and of the layers that share its
channels. So a layer's verdict and its gain from widening have the same name.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

DEPTH = 6
HALVED_AFTER = (1, 3)
"""The layers after which pooling halves height and width."""
ARCHITECTURES = ("plain", "residual", "separable")


def conv(inside: int, outside: int, size: int = 3, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, size, padding=size // 2, groups=groups, bias=False)


class SmallNetwork(nn.Module):
    """Layers `conv1` … `conv6`, each with batch norm and ReLU; average pooling; a linear `head`."""

    def __init__(self, widths: Sequence[int], classes: int = 10) -> None:
        super().__init__()
        for number, (inside, width) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            self.add_layer(number, inside, width)
        self.head = nn.Linear(widths[-1], classes)

    def add_layer(self, number: int, inside: int, width: int) -> None:
        self.add_conv(f"conv{number}", conv(inside, width))

    def add_conv(self, name: str, layer: nn.Conv2d) -> None:
        self.add_module(name, layer)
        self.add_module(f"{name}_norm", nn.BatchNorm2d(layer.out_channels))

    def apply_conv(self, name: str, x: Tensor) -> Tensor:
        normed: Tensor = self.get_submodule(f"{name}_norm")(self.get_submodule(name)(x))
        return normed

    def layer(self, number: int, x: Tensor) -> Tensor:
        return F.relu(self.apply_conv(f"conv{number}", x))

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, DEPTH + 1):
            x = self.layer(number, x)
            if number in HALVED_AFTER:
                x = F.max_pool2d(x, 2)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


STREAMS = {2: 1, 4: 3, 5: 3}
"""From each layer inside a residual block to the layer that begins the block's stream."""


class Residual(SmallNetwork):
    """A residual network with `conv2`, `conv4` and `conv5` inside blocks.

    `conv1` begins the stream of the first block, and `conv3` that of the others. Each block has a
    `back` layer, from its inner width to the width of the stream. So `conv1` and `conv3` share
    their channels with the outputs of their blocks.
    """

    def __init__(self, widths: Sequence[int], classes: int = 10) -> None:
        self.widths = tuple(widths)
        super().__init__(widths, classes)

    def add_layer(self, number: int, inside: int, width: int) -> None:
        """Read the stream, not the previous layer, if that is inside a block."""
        stream = STREAMS.get(number - 1, number - 1)
        super().add_layer(number, self.widths[stream - 1] if stream else inside, width)
        if number in STREAMS:
            self.add_conv(f"back{number}", conv(width, self.widths[STREAMS[number] - 1]))

    def layer(self, number: int, x: Tensor) -> Tensor:
        y = super().layer(number, x)
        return F.relu(x + self.apply_conv(f"back{number}", y)) if number in STREAMS else y


class Separable(SmallNetwork):
    """Each layer after the first is a depthwise convolution and a 1×1 convolution.

    The depthwise one shares the channels of the previous layer.
    """

    def add_layer(self, number: int, inside: int, width: int) -> None:
        if number == 1:
            super().add_layer(number, inside, width)
        else:
            self.add_conv(f"depthwise{number}", conv(inside, inside, groups=inside))
            self.add_conv(f"conv{number}", conv(inside, width, size=1))

    def layer(self, number: int, x: Tensor) -> Tensor:
        if number > 1:
            x = F.relu(self.apply_conv(f"depthwise{number}", x))
        return super().layer(number, x)


def build(architecture: str, widths: Sequence[int]) -> SmallNetwork:
    """Return a new network of one of ARCHITECTURES, with DEPTH widths."""
    kinds = {"plain": SmallNetwork, "residual": Residual, "separable": Separable}
    return kinds[architecture](widths)
