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
from narrows.methods.greedy import FORMED
from narrows.methods.partial_sums import Averages
from narrows.methods.ranking import PruningOrder, order_of_removal

BLOCKS, FEW_BLOCKS = 20, 4
"""The number of blocks of removals, and that for more structures than a matrix is formed for.

Five times as many blocks are no better (`benchmarks.fidelity`)."""
CPU = torch.device("cpu")


def order(
    averages: Averages, costs: Floats | float = 1.0, options: MethodOptions = DEFAULTS
) -> PruningOrder:
    """Return the greedy order of removal; a saliency is what a structure adds to λ_O when it goes.

    Each of `options.blocks` blocks, 20 by default, or 4 for more than 6,000 structures, is solved
    anew, and a removal ignores the others of its block. Each block removes the structures that add
    least for their cost, `costs` [S].

    Below, the first two structures can stand in for each other, so one goes first. Then the gate of
    the other has nearly doubled, and the third goes before it.

    >>> factor = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.9]])
    >>> averages = Averages(0.0, {}, factor)
    >>> print(order(averages).rank[2], order(averages, options=MethodOptions(blocks=1)).rank[2])
    1 2
    """
    squares = ridge.squares(averages.factor)
    count, formed = len(squares), len(squares) <= FORMED
    # What is within rounding of 0 is dead: it adds nothing, and moves nothing.
    dead = squares <= ties.EPSILON * ties.largest(squares)
    damping = ridge.DAMPING * float(squares.mean()) or 1.0
    model = (_Formed if formed else _ByRows)(averages.factor, damping)
    cost = np.broadcast_to(np.asarray(costs, np.float64), (count,))
    priority = ties.priorities(count, options.seed)
    size = -(-count // (options.blocks or (BLOCKS if formed else FEW_BLOCKS)))
    saliency, by, scale = np.zeros(count), np.zeros(count), 0.0
    left = np.arange(count)
    steps: list[Ints] = []
    while len(left):
        adds = np.where(dead[left], 0.0, model.adds(left))
        increase = adds / cost[left]
        scale = scale if steps else ties.largest(increase)
        places = ties.sorted_with_ties(increase, priority[left], scale)[:size]
        steps.append(left[places])
        saliency[steps[-1]], by[steps[-1]] = adds[places], increase[places]
        model.remove(left, places)
        left = np.delete(left, places)
    return order_of_removal(saliency, by, np.concatenate(steps), scale)


class _Formed:
    """The model by the matrices Q and `A⁻¹`, with A the part of Q + λI that is left."""

    def __init__(self, factor: NDArray[np.floating], damping: float) -> None:
        self._gram = ridge.gram(factor, CPU)
        damped = self._gram.clone()
        damped.diagonal().add_(damping)
        self._inverse = ridge.inverse(damped)
        self._pull = torch.zeros(len(damped), dtype=torch.float64, device=CPU)
        """The columns of Q that are removed, added up, [S]."""

    def adds(self, left: Ints) -> Floats:
        """Return what each structure that is left adds to λ_O: `½ (1 + x)² / [A⁻¹]_ss`.

        The gates of those that are left have moved by `x = A⁻¹ Q 1_M`.
        """
        moved = self._inverse @ self._pull[torch.from_numpy(left)]
        result: Floats = (0.5 * (1 + moved) ** 2 / self._inverse.diagonal()).numpy()
        return result

    def remove(self, left: Ints, places: Ints) -> None:
        """Remove some of those that are left: those at `places`."""
        self._pull += self._gram[:, torch.from_numpy(left[places])].sum(1)
        gone = torch.from_numpy(places)
        stay = torch.from_numpy(np.delete(np.arange(len(left)), places))
        rows = self._inverse[gone]
        across = rows[:, stay]
        self._inverse = self._inverse[stay][:, stay]
        if len(stay):
            self._inverse -= across.T @ torch.linalg.solve(rows[:, gone], across)


class _ByRows:
    """The model by a matrix of N × N numbers, for each block anew; see `narrows.methods.ridge`."""

    def __init__(self, factor: NDArray[np.floating], damping: float) -> None:
        self._factor, self._damping = factor, damping
        self._removed = np.zeros(len(factor))
        """The columns of the factor that are removed, added up, [N]."""

    def adds(self, left: Ints) -> Floats:
        """Return what each structure that is left adds to λ_O."""
        rest, moved = np.empty(len(left)), np.empty(len(left))
        removed = torch.from_numpy(self._removed)
        for place, part, solution, _ in ridge.solved(self._factor[:, left], self._damping, CPU):
            rest[place] = 1 - (part * solution).sum(0).numpy()
            moved[place] = (solution.T @ removed).numpy()
        result: Floats = 0.5 * (1 + moved) ** 2 * self._damping / rest
        return result

    def remove(self, left: Ints, places: Ints) -> None:
        """Remove some of those that are left: those at `places`."""
        self._removed += self._factor[:, left[places]].sum(1, dtype=np.float64)
