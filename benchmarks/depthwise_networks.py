"""Networks of depthwise convolutions with torchvision's structure: MobileNetV2, EfficientNet-B0."""

from torch import Tensor, nn

from benchmarks.convolutional_networks import classifier, conv_norm


class SqueezeExcitation(nn.Module):
    """Scales every channel by a number that the mean of all channels gives."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, squeezed, 1),
            nn.SiLU(),
            nn.Conv2d(squeezed, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.scale(x) * x
        return scaled


class InvertedResidual(nn.Module):
    """1×1 to a larger width, a depthwise convolution, and 1×1 to a small width.

    `squeeze` puts a squeeze-and-excitation behind the depthwise convolution.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        expansion: int,
        kernel: int,
        stride: int,
        activation: type[nn.Module],
        squeeze: bool,
    ) -> None:
        super().__init__()
        width = inside * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [*conv_norm(inside, width), activation()]
        layers += [*conv_norm(width, width, kernel, stride, width), activation()]
        if squeeze:
            layers.append(SqueezeExcitation(width, max(1, inside // 4)))
        self.layers = nn.Sequential(*layers, *conv_norm(width, outside))
        self.residual = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


MOBILENET = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3), (6, 320, 1, 1, 3),
)  # fmt: skip
"""Expansion, width, blocks, stride, kernel of MobileNetV2's stages."""
EFFICIENTNET = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
"""The same of EfficientNet-B0."""


def mobilenet_v2(classes: int = 10) -> nn.Sequential:
    """Return MobileNetV2 for images of any size."""
    return _inverted_residuals(MOBILENET, nn.ReLU6, False, classes)


def efficientnet_b0(classes: int = 10) -> nn.Sequential:
    """Return EfficientNet-B0 for images of any size; without stochastic depth, off in eval mode."""
    return _inverted_residuals(EFFICIENTNET, nn.SiLU, True, classes)


def _inverted_residuals(
    stages: tuple[tuple[int, ...], ...], activation: type[nn.Module], squeeze: bool, classes: int
) -> nn.Sequential:
    layers: list[nn.Module] = [*conv_norm(3, 32, 3, 2), activation()]
    inside = 32
    for expansion, width, count, stride, kernel in stages:
        for index in range(count):
            first = 1 if index else stride
            layers.append(
                InvertedResidual(inside, width, expansion, kernel, first, activation, squeeze)
            )
            inside = width
    return nn.Sequential(
        *layers, *conv_norm(inside, 1280), activation(), *classifier(1280, classes)
    )
