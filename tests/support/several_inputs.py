"""Small networks with two inputs: ids and a mask, and an image and a table; and data for them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.arrays import Ints

WORDS, LENGTH, TAGS = 20, 6, 5


class Masked(nn.Module):
    """Tags each token; what the mask leaves out adds nothing to the mean that all see."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 8)
        self.hidden, self.head = nn.Linear(8, 12), nn.Linear(12, TAGS)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x, kept = self.embed(ids), mask[..., None]
        mean = (x * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp(min=1)
        tags: Tensor = self.head(F.relu(self.hidden(x + mean)))
        return tags


class Fusion(nn.Module):
    """Classifies an image together with a row of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table = nn.Conv2d(3, 6, 3), nn.Linear(4, 5)
        self.head = nn.Linear(11, 4)

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        seen = F.relu(self.conv(image)).mean((2, 3))
        classes: Tensor = self.head(torch.cat([seen, F.relu(self.table(table))], 1))
        return classes


def masked_data(count: int) -> tuple[Ints, np.ndarray, Ints]:
    """Return ids, a mask of numbers, and a tag for each token, −100 where the mask is 0."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, WORDS, (count, LENGTH))
    lengths = rng.integers(1, LENGTH + 1, (count, 1))
    mask = (np.arange(LENGTH) < lengths).astype(np.float32)
    return ids, mask, np.where(mask > 0, ids % TAGS, -100)


def fusion_data(count: int) -> tuple[np.ndarray, np.ndarray, Ints]:
    """Return images, rows of a table, and classes."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((count, 4), np.float32)
    return rng.random((count, 3, 6, 6), np.float32), table, table.argmax(1)
