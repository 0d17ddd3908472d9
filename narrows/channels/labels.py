"""Channel labels: which indices of which dimensions are one and the same channel.

Every tensor and value carries arrays of integer labels. The rules of `channel_rules` say, operator
by operator, which labels go together and which can't be pruned.

See docs/architecture.md, "Channel groups".
"""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Dims = tuple[Labels | None, ...]
"""The labels of each dimension of a value; None: its size never changes, such as batch and space.
"""
Labelling = tuple[Labels, ...]
"""Arrays of labels of the value's rank, each of size 1 along dimensions that it does not depend on.

No two depend on the same dimension. An array over several dimensions is *joint*: channels that a
view has split, such as into heads and their width, of which only whole slices can go.
"""


def spanned(labels: Labels) -> list[int]:
    """Return the dimensions that the labels depend on.

    >>> spanned(np.zeros((1, 3, 1, 2), np.int64))
    [1, 3]
    """
    return [dim for dim, size in enumerate(labels.shape) if size > 1]


def collapsed(labels: Labels) -> Labels:
    """Give every dimension along which the labels are all the same size 1."""
    for dim in spanned(labels):
        first = labels.take([0], dim)
        if (labels == first).all():
            labels = first
    return labels


def placed(labels: Labels | None, dim: int, rank: int) -> Labelling:
    """Return the labelling of a value of that rank with these labels along `dim` alone."""
    if labels is None:
        return ()
    shape = [1] * rank
    shape[dim] = -1
    return (labels.reshape(shape),)


def independent(labelling: Labelling, *dims: int) -> Labelling:
    """Return the arrays that don't depend on any of these dimensions."""
    return tuple(labels for labels in labelling if all(labels.shape[dim] == 1 for dim in dims))
