"""Lanes: where lines that run beside each other are drawn, so that none covers another."""

from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """A line beside the rows, from one height to another; `stops` are heights where it is joined.

    `kind` is its class.
    """

    start: float
    stop: float
    stops: tuple[float, ...]
    kind: str


def lanes(lines: Iterable[Line], most: int) -> list[tuple[int, Line]]:
    """Return each line with its lane: short ones are near, and the last lane takes the rest.

    >>> a, b, c = (Line(*ends, (), "") for ends in ((0, 9), (1, 2), (3, 4)))
    >>> [lane for lane, _ in lanes([a, b, c], most=4)]
    [0, 0, 1]
    """
    taken: list[list[Line]] = [[] for _ in range(most)]
    result = []
    for line in sorted(lines, key=lambda line: line.stop - line.start):
        free = (
            lane
            for lane, others in enumerate(taken)
            if all(line.stop < other.start or other.stop < line.start for other in others)
        )
        lane = next(free, most - 1)
        taken[lane].append(line)
        result.append((lane, line))
    return result
