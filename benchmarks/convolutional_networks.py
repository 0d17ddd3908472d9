"""Convolutional networks with the structure of torchvision's: ResNet-50 and DenseNet-121."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm(
    inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution without bias, padded to keep the size, and its batch norm."""
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside))


class Bottleneck(nn.Module):
    """The block of ResNet-50: 1×1, 3×3, 1×1 to four times the width, and a residual addition."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = conv_norm(inside, width)
        self.spatial = conv_norm(width, width, 3, stride)
        self.expand = conv_norm(width, 4 * width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != 4 * width:
            self.shortcut = conv_norm(inside, 4 * width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.spatial(F.relu(self.reduce(x))))
        return F.relu(self.expand(y) + self.shortcut(x))


def resnet50(classes: int = 10) -> nn.Sequential:
    """Return ResNet-50 for images of any size."""
    blocks: list[nn.Module] = []
    inside = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(count):
            blocks.append(Bottleneck(inside, width, 1 if index else stride))
            inside = 4 * width
    stem = [*conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *blocks, *classifier(inside, classes))


class DenseLayer(nn.Module):
    """A layer of DenseNet: it reads the concatenation of all earlier ones in its block."""

    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inside), nn.BatchNorm2d(4 * growth)
        self.conv1 = nn.Conv2d(inside, 4 * growth, 1, bias=False)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        y: Tensor = self.conv2(F.relu(self.norm2(x)))
        return y


class DenseBlock(nn.Module):
    """Layers of DenseNet; the result holds the features of all."""

    def __init__(self, inside: int, growth: int, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(inside + index * growth, growth) for index in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


def densenet121(classes: int = 10, growth: int = 32) -> nn.Sequential:
    """Return DenseNet-121 for images of any size."""
    layers: list[nn.Module] = [*conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for count in (6, 12, 24, 16):
        layers.append(DenseBlock(width, growth, count))
        width += count * growth
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        if count != 16:
            layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    return nn.Sequential(*layers, *classifier(width, classes))


def classifier(width: int, classes: int) -> tuple[nn.Module, ...]:
    """Return the layers from feature maps to logits."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)
