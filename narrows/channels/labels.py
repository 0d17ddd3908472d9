"""Channel labels: integers that say which indices of which dimensions are the same channel.

Each tensor and value has arrays of labels. The rules of `narrows.channels.rules` couple labels and
pin those that can't be pruned, operator by operator.

See docs/architecture.md, "Channel groups".
"""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Dims = tuple[Labels | None, ...]
"""The labels of each dimension of a value; None for a dimension whose size never changes, such as
batch and space."""
Labelling = tuple[Labels, ...]
"""Arrays of labels of the value's rank, each of size 1 along dimensions that it does not depend on.

No two depend on the same dimension. An array over several dimensions is *joint*: a view has split
its channels, such as into heads and their width, and only whole slices can be pruned.
"""


def spanned(labels: Labels) -> list[int]:
    """Return the dimensions that the labels depend on.

    >>> spanned(np.zeros((1, 3, 1, 2), np.int64))
    [1, 3]
    """
    return [dim for dim, size in enumerate(labels.shape) if size > 1]


def collapsed(labels: Labels) -> Labels:
    """Return the labels with size 1 along each dimension on which they do not depend.

    >>> collapsed(np.array([[7, 8, 9], [7, 8, 9]]))
    array([[7, 8, 9]])
    """
    for dim in spanned(labels):
        first = labels.take([0], dim)
        if (labels == first).all():
            labels = first
    return labels


def placed(labels: Labels | None, dim: int, rank: int) -> Labelling:
    """Return the labelling of a value of `rank` dimensions with these labels along `dim` alone.

    >>> [labels.shape for labels in placed(np.arange(3), 1, rank=4)], placed(None, 1, rank=4)
    ([(1, 3, 1, 1)], ())
    """
    if labels is None:
        return ()
    shape = [1] * rank
    shape[dim] = -1
    return (labels.reshape(shape),)


def independent(labelling: Labelling, *dims: int) -> Labelling:
    """Return the arrays that depend on none of these dimensions.

    >>> labelling = (*placed(np.arange(3), 1, 3), *placed(np.arange(5), 2, 3))
    >>> [labels.shape for labels in independent(labelling, 2)]
    [(1, 3, 1)]
    """
    return tuple(labels for labels in labelling if all(labels.shape[dim] == 1 for dim in dims))
