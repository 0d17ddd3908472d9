"""Augmentation: samples that are mirrored and moved at random.

See docs/trials.md, "The recipe".
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from narrows.trials.errors import TrialError
from narrows.trials.recipe import Recipe


def augment(inputs: Tensor, recipe: Recipe, generator: Generator) -> Tensor:
    """Return the inputs [batch, …], each mirrored and moved by its own random numbers.

    >>> x = torch.arange(4.0).expand(2, 1, 1, 4)
    >>> augment(x, Recipe(flip=True), Generator().manual_seed(0))[:, 0, 0]
    tensor([[3., 2., 1., 0.],
            [0., 1., 2., 3.]])
    """
    if recipe.flip:
        inputs = mirrored(inputs, torch.rand(len(inputs), generator=generator) < 0.5)
    if recipe.crop:
        moves = torch.randint(2 * recipe.crop + 1, (2, len(inputs)), generator=generator)
        inputs = moved(inputs, *(moves - recipe.crop))
    return inputs


def mirrored(inputs: Tensor, chosen: Tensor) -> Tensor:
    """Return the inputs, those that are chosen [batch] mirrored along the last axis."""
    along = chosen.to(inputs.device).view(-1, *(1,) * (inputs.dim() - 1))
    return torch.where(along, inputs.flip(-1), inputs)


def moved(inputs: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return images [batch, channels, height, width], each moved by pixels, with zeros behind it.

    `down` and `right` are [batch].

    >>> moved(torch.arange(1.0, 5.0).view(1, 1, 2, 2), torch.tensor([1]), torch.tensor([-1]))
    tensor([[[[0., 0.],
              [2., 0.]]]])
    """
    batch, _, height, width = inputs.shape
    most = int(torch.cat([down, right]).abs().max())
    padded = F.pad(inputs, (most,) * 4)
    rows = torch.arange(height) + most - down[:, None]
    columns = torch.arange(width) + most - right[:, None]
    samples = torch.arange(batch)[:, None, None]
    return padded.movedim(1, -1)[samples, rows[:, :, None], columns[:, None]].movedim(-1, 1)


def require_augmentable(inputs: Tensor, recipe: Recipe) -> None:
    """Raise TrialError unless inputs like these can be mirrored or moved as the recipe asks.

    >>> require_augmentable(torch.zeros(2, 64), Recipe(crop=2))
    Traceback (most recent call last):
    narrows.trials.errors.TrialError: recipe.crop is for images [batch, channels, height, width], \
but the inputs are float32 [batch, 64]; leave it out
    """
    for name, least, shape in (
        ("flip", 3, "[batch, channels, …, width]"),
        ("crop", 4, "[batch, channels, height, width]"),
    ):
        fits = inputs.dim() >= least if name == "flip" else inputs.dim() == least
        if getattr(recipe, name) and not (fits and inputs.is_floating_point()):
            sizes = ", ".join(map(str, inputs.shape[1:]))
            raise TrialError(
                f"recipe.{name} is for images {shape}, but the inputs are {str(inputs.dtype)[6:]} "
                f"[batch, {sizes}]; leave it out"
            )
