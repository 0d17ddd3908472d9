"""Which layers are compared with each other.

Channels of a residual stream serve many layers, and a block of channels such as an attention head
is more than a channel, so both are worth more by nature. They are compared among themselves, and
each with those right before and after it: widths may change from one end of a network to the other.

See docs/method.md, "Comparable layers".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from narrows.arrays import Ints
from narrows.channels.structures import Channels

Kind = tuple[bool, bool]
"""Whether a layer's channels are read in several places, and whether they go as blocks."""


@dataclass(frozen=True)
class Cases:
    """What is judged, in the network's order: the structures of a case, and its kind.

    A case is a layer, or the layers that share their structures. Its key is their bytes.
    """

    owned: Mapping[bytes, Ints]
    kinds: Mapping[bytes, Kind]

    @classmethod
    def of(cls, channels: Channels, places: Ints) -> Self:
        """Return the cases of a network; `places` [S] says in how many a structure is read.

        >>> from narrows.example import two_neurons
        >>> cases = Cases.of(two_neurons()[2], places=np.array([3, 3]))
        >>> list(cases.owned.values()), list(cases.kinds.values())
        ([array([0, 1])], [(True, False)])
        """
        blocks = channels.block_sizes()
        owned = channels.owned()
        return cls(
            owned,
            {
                case: (bool(np.median(places[own]) > 1), bool(np.median(blocks[own]) > 1))
                for case, own in owned.items()
            },
        )

    def without(self, left_out: Collection[bytes]) -> "Cases":
        """Return the other cases."""
        kept = [case for case in self.owned if case not in left_out]
        return Cases({c: self.owned[c] for c in kept}, {c: self.kinds[c] for c in kept})

    def neighbours(self, case: bytes) -> list[bytes]:
        """Return the cases of the same kind right before and after a case.

        >>> owned = {name: np.array([n]) for n, name in enumerate([b"a", b"b", b"c", b"d"])}
        >>> stream, other = (True, False), (False, False)
        >>> cases = Cases(owned, {b"a": other, b"b": stream, b"c": other, b"d": other})
        >>> cases.neighbours(b"a"), cases.neighbours(b"b"), cases.neighbours(b"c")
        ([b'c'], [], [b'a', b'd'])
        """
        alike = [other for other in self.owned if self.kinds[other] == self.kinds[case]]
        place = alike.index(case)
        return [*alike[max(0, place - 1) : place], *alike[place + 1 : place + 2]]

    def is_narrow(self, case: bytes) -> bool:
        """Tell whether a case has less than half as many structures as each of its neighbours.

        >>> owned = {b"a": np.arange(3), b"b": np.arange(3, 4), b"c": np.arange(4, 6)}
        >>> cases = Cases(owned, dict.fromkeys(owned, (False, False)))
        >>> cases.is_narrow(b"a"), cases.is_narrow(b"b")  # 1 is not less than half of 2
        (False, False)
        """
        beside = self.neighbours(case)
        width = len(self.owned[case])
        return bool(beside) and all(2 * width < len(self.owned[other]) for other in beside)
