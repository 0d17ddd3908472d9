"""Groups within a piece: each piece of a value keeps a channel while each group keeps one."""

from collections.abc import Iterable, Sequence

from narrows.channels.labels import Labels


def split_groups(groups: Sequence[Sequence[int]], values: Iterable[Labels]) -> list[list[int]]:
    """Return the groups, split where a value has some channels of a group and no others.

    `groups` hold components, and `values` the components [width] along the dimensions of values.
    Plans leave a structure of each group, so a value keeps a channel if it has all of some group,
    or one that is in no group. A layer of five channels, of which a slice takes two:

    >>> import numpy as np
    >>> split_groups([[0, 1, 2, 3, 4]], [np.array([0, 1, 2, 3, 4]), np.array([0, 1])])
    [[0, 1], [2, 3, 4]]
    """
    result = [list(group) for group in groups]
    pieces = {components.tobytes(): components for components in values}
    for components in pieces.values():
        piece = dict.fromkeys(components.tolist())
        touched = [group for group in result if not piece.keys().isdisjoint(group)]
        alone = len(piece) == sum(c in piece for group in touched for c in group)
        if touched and alone and not any(piece.keys() >= set(group) for group in touched):
            group = touched[0]
            place = result.index(group)
            inside = [c for c in group if c in piece]
            outside = [c for c in group if c not in piece]
            result[place : place + 1] = [inside, outside]
    return result
