"""Networks of realistic size for benchmarks: ResNet-18 and VGG-11."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """The basic block of ResNet-18."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 with a stem for small images, or, if `large`, for images of 224²."""

    def __init__(self, classes: int = 10, *, large: bool = False) -> None:
        super().__init__()
        kernel, stride = (7, 2) if large else (3, 1)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(64)
        )
        self.pool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        widths = [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]
        inside, blocks = 64, []
        for outside, stride in widths:
            blocks.append(Block(inside, outside, stride))
            inside = outside
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.pool(F.relu(self.stem(x))))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


def vgg11(classes: int = 10) -> nn.Sequential:
    """Return VGG-11 with batch norm, with global average pooling at the end."""
    layers: list[nn.Module] = []
    inside = 3
    for outside in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512):
        if outside:
            layers += [nn.Conv2d(inside, outside, 3, 1, 1), nn.BatchNorm2d(outside), nn.ReLU(True)]
            inside = outside
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes))


def calibrate_norms(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Run batch norms on some data, so that values stay in range; return `module` in eval mode."""
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(16, *shape))
    return module.eval()
