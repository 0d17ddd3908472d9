"""Fair queueing across owners, on numbers alone; see docs/architecture.md, "Whose work is next".

Start-time fair queueing (Goyal, Vin and Cheng, 1996): a piece of work gets a start tag, which is
the virtual time or the finish tag of its owner's last piece, whichever is later; its finish tag is
its cost later. The owner with the smallest start tag is next, and that tag is the virtual time from
then on. So owners who always have work get the same seconds of it, to within a few pieces, and one
who comes back after a pause begins now: it has neither saved up anything nor lost its place.

A cost is what such a piece took lately, and is put right once the piece has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

FIRST_GUESS: Final = 1.0
"""Seconds that a piece is expected to take while none like it has ended."""
NEWEST: Final = 0.5
"""The weight of the piece that ended last in what the next one is expected to take."""
TRAINING_PART: Final = 0.1
"""Of what an owner gets: the part of its trainings while its other work waits, too."""


@dataclass
class Account:
    """What an owner has had; times are in seconds of work."""

    finish: float = 0.0
    owed: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def start(self, virtual_time: float) -> float:
        """Return the start tag of the owner's next piece."""
        return max(self.finish, virtual_time)

    def cost(self, task: str) -> float:
        """Return how many seconds a piece of this task is expected to take."""
        return self.seconds.get(task, FIRST_GUESS)

    def is_due(self, training: str) -> bool:
        """Return whether a training goes before the owner's other work."""
        return self.owed >= self.cost(training)

    def charge(self, virtual_time: float, task: str, *, training: str | None) -> float:
        """Book a piece that begins; return the virtual time from then on.

        `training` is the task of the owner's trainings, if one waits or begins.
        """
        start, cost = self.start(virtual_time), self.cost(task)
        self.finish = start + cost
        if training is None:
            self.owed = 0.0
        elif task == training:
            self.owed = max(0.0, self.owed - cost)
        else:
            self.owed += cost * TRAINING_PART / (1 - TRAINING_PART)
        return start

    def settle(self, task: str, charged: float, seconds: float) -> None:
        """Put right the cost of a piece that has ended after `seconds`."""
        self.finish += seconds - charged
        before = self.seconds.get(task, seconds)
        self.seconds[task] = before + NEWEST * (seconds - before)


def next_owner(accounts: Mapping[str, Account], virtual_time: float) -> str:
    """Return whose turn it is among owners with waiting work; of equals, who has had less."""
    return min(
        accounts,
        key=lambda owner: (accounts[owner].start(virtual_time), accounts[owner].finish, owner),
    )
