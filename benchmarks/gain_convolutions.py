"""Small convolutional networks of any depth for 8×8 images: plain, residual and separable."""

from torch import Tensor, nn

from benchmarks.architecture import ACTIVATIONS, CLASSES, Architecture
from benchmarks.samples_last import Conv, EitherWay, Norm

STARTS = (1, 3, 6)
"""The layers of a residual network that begin a stream; the others are inside blocks."""


class Plain(EitherWay, nn.Module):
    """Convolutions `conv1` …, each with batch norm and activation; mean; a linear `head`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.widths, self.kernel = architecture.widths, architecture.kernel
        self.act = ACTIVATIONS[architecture.activation]
        self.halved = (1, len(self.widths) // 2 + 2)
        for number in range(1, len(self.widths) + 1):
            self.add_layer(number)
        self.head = nn.Linear(self.width(self.read_by_head()), CLASSES)

    def read_by_head(self) -> int:
        return len(self.widths)

    def width(self, number: int) -> int:
        """Return the width of a layer, counted from 1; the images are layer 0."""
        return self.widths[number - 1] if number else 1

    def add_layer(self, number: int) -> None:
        inside, stride = self.width(number - 1), 2 if number in self.halved else 1
        self.add_conv(f"conv{number}", Conv(inside, self.width(number), self.kernel, stride))

    def add_conv(self, name: str, layer: Conv) -> None:
        self.add_module(name, layer)
        self.add_module(f"{name}_norm", Norm(layer.out_channels))

    def apply_conv(self, name: str, x: Tensor) -> Tensor:
        normed: Tensor = self.get_submodule(f"{name}_norm")(self.get_submodule(name)(x))
        return normed

    def layer(self, number: int, x: Tensor) -> Tensor:
        return self.act(self.apply_conv(f"conv{number}", x))

    def forward(self, x: Tensor) -> Tensor:
        if self.samples_last:
            x = x.permute(1, 2, 3, 0)
        for number in range(1, len(self.widths) + 1):
            x = self.layer(number, x)
        mean = x.mean((1, 2)).T if self.samples_last else x.mean((2, 3))
        logits: Tensor = self.head(mean)
        return logits


class Residual(Plain):
    """STARTS begin streams. Each other layer is inside a block, and its `back` ends the block."""

    def read_by_head(self) -> int:
        return self.start(len(self.widths))

    def start(self, number: int) -> int:
        return max(s for s in STARTS if s <= number)

    def add_layer(self, number: int) -> None:
        start = self.start(number)
        if start == number:
            before = max((s for s in STARTS if s < number), default=0)
            stride = 1 if number == STARTS[2] else 2
            layer = Conv(self.width(before), self.width(number), self.kernel, stride)
            self.add_conv(f"conv{number}", layer)
        else:
            stream, inner = self.width(start), self.width(number)
            self.add_conv(f"conv{number}", Conv(stream, inner, self.kernel))
            self.add_conv(f"back{number}", Conv(inner, stream, self.kernel))

    def layer(self, number: int, x: Tensor) -> Tensor:
        y = super().layer(number, x)
        return y if number in STARTS else self.act(x + self.apply_conv(f"back{number}", y))


class Separable(Plain):
    """Each layer after the first is a depthwise convolution, with norm, and a 1×1 convolution."""

    def add_layer(self, number: int) -> None:
        if number == 1:
            super().add_layer(number)
        else:
            inside, stride = self.width(number - 1), 2 if number in self.halved else 1
            self.add_conv(
                f"depthwise{number}", Conv(inside, inside, self.kernel, stride, groups=inside)
            )
            self.add_conv(f"conv{number}", Conv(inside, self.width(number), 1))

    def layer(self, number: int, x: Tensor) -> Tensor:
        if number > 1:
            x = self.act(self.apply_conv(f"depthwise{number}", x))
        return super().layer(number, x)
