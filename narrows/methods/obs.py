"""OBS: the rise of the loss without a structure, after all others have adapted.

The gates of all layers move from 1 to `1 + x` at the price `½ λ |x|²`, those of removed structures
to 0. For a set M of structures to remove, `λ_O(M) = min ½ xᵀ(Q + λI)x` over x with x_M = −1, where
Q is the Gauss–Newton matrix. M grows by the structures that add least. The first goes by its worth,
`½ / [(Q + λI)⁻¹]_ss`. This method is not from the paper.

Hassibi and Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", 1992.

See docs/method.md, "Worth".
"""

import numpy as np
import torch
from numpy.typing import NDArray

from narrows.arrays import Floats, Ints
from narrows.methods import ridge, ties
from narrows.methods.criterion import DEFAULTS, MethodOptions
from narrows.methods.partial_sums import Averages
from narrows.methods.ranking import PruningOrder, order_of_removal

BLOCKS, MANY, FEW_BLOCKS = 20, 2000, 4
"""The number of blocks of removals; and from how many structures on there are how few."""
CPU = torch.device("cpu")


def order(
    averages: Averages, costs: Floats | float = 1.0, options: MethodOptions = DEFAULTS
) -> PruningOrder:
    """Return the greedy order of removal; a saliency is what a structure adds to λ_O when it goes.

    Each of `options.blocks` blocks, 20 by default, or 4 for more than 2,000 structures, is solved
    anew, and a removal ignores the others of its block. Each block removes the structures that add
    least for their cost, `costs` [S].

    Below, the first two structures can stand in for each other, so one goes first. Then the gate of
    the other has nearly doubled, and the third goes before it.

    >>> factor = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.9]])
    >>> averages = Averages(0.0, {}, factor)
    >>> print(order(averages).rank[2], order(averages, options=MethodOptions(blocks=1)).rank[2])
    1 2
    """
    factor = averages.factor
    rows, count = factor.shape
    squares = ridge.squares(factor)
    damping = ridge.DAMPING * float(squares.mean())
    # What is within rounding of 0 is dead: it adds nothing, and moves nothing.
    dead = squares <= ties.EPSILON * ties.largest(squares)
    cost = np.broadcast_to(np.asarray(costs, np.float64), (count,))
    priority = ties.priorities(count, options.seed)
    size = -(-count // (options.blocks or (BLOCKS if count <= MANY else FEW_BLOCKS)))
    saliency, by, scale = np.zeros(count), np.zeros(count), 0.0
    left, removed = np.arange(count), np.zeros(rows)
    steps: list[Ints] = []
    while len(left):
        adds = _adds(factor[:, left], damping, removed) if damping else np.zeros(len(left))
        adds[dead[left]] = 0.0
        increase = adds / cost[left]
        scale = scale if steps else ties.largest(increase)
        chosen = ties.sorted_with_ties(increase, priority[left], scale)[:size]
        saliency[left[chosen]], by[left[chosen]] = adds[chosen], increase[chosen]
        steps.append(left[chosen])
        removed += factor[:, steps[-1]].sum(1, dtype=np.float64)
        left = np.delete(left, chosen)
    return order_of_removal(saliency, by, np.concatenate(steps), scale)


def _adds(factor: NDArray[np.floating], damping: float, removed: Floats) -> Floats:
    """Return what each structure that is left adds to λ_O, [S left].

    The columns of `factor` [N, S left] are theirs, and `removed` [N] is the sum of the others. With
    A, the part of Q + λI that is left, their gates have moved by `x = A⁻¹ factorᵀ removed`. To go
    from 1 + x to 0 then adds `½ (1 + x)² / [A⁻¹]_ss`.
    """
    rows, count = factor.shape
    rest, moved = np.empty(count), np.empty(count)
    other = torch.from_numpy(removed)
    if rows < count:
        for place, part, solution, _ in ridge.solved(factor, damping, CPU):
            rest[place] = 1 - (part * solution).sum(0).numpy()
            moved[place] = (solution.T @ other).numpy()
    else:
        matrix = ridge.gram(factor, CPU)
        matrix.diagonal().add_(damping)
        solution = ridge.inverse(matrix)
        rest = damping * solution.diagonal().numpy()
        moved = solution.numpy() @ (factor.T @ removed)
    result: Floats = 0.5 * (1 + moved) ** 2 * damping / rest
    return result
