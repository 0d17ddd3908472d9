"""The layers of a network by name, and why a layer can't have the factor that a plan gives it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

NAMES_SHOWN = 10


@dataclass(frozen=True)
class LayerNames:
    """The layers in order, each with the reason why it can't be pruned, and those tied together.

    `groups` holds the names of the layers of each channel group.

    >>> names = LayerNames({"stem": None, "head": "Its channels can't be pruned."}, [{"stem"}])
    >>> names.objection("stem", {"stem": 2.0}, exclude=())
    >>> names.objection("head", {"head": 2.0}, exclude=())
    "Its channels can't be pruned. Choose from 'stem'."
    >>> names.no_layer("sten", names.reasons)
    "The model has no layer 'sten'; choose from 'stem'."
    """

    reasons: Mapping[str, str | None]
    groups: Sequence[Collection[str]]

    @property
    def free(self) -> list[str]:
        """The names of the layers that can be pruned, in order."""
        return [name for name in self.reasons if any(name in members for members in self.groups)]

    def objection(
        self, name: str, factors: Mapping[str, float], exclude: Collection[str]
    ) -> str | None:
        """Return why a layer can't have its factor; None if it can."""
        if name not in self.reasons:
            return self.no_layer(name, self.free)
        if name not in self.free:
            reason = self.reasons[name] or "Its channels can't be pruned."
            return f"{reason} Choose from {listed(self.free)}."
        shares = set[str]().union(*(members for members in self.groups if name in members))
        if tied := sorted(shares & set(exclude)):
            both = f"shares its channels with {listed(tied)}, which `exclude` names"
            return f"{name!r} {both}; take out one of the two."
        if other := next((o for o in factors if o in shares and factors[o] != factors[name]), None):
            return f"{name!r} and {other!r} share their channels; give them the same factor."
        return None

    def no_layer(self, name: str, choices: Collection[str]) -> str:
        """Return a message that names the existing layers with the most similar names."""
        ordered = [layer for layer in self.reasons if layer in choices]
        close = get_close_matches(name, ordered, n=3)
        return f"The model has no layer {name!r}; choose from {listed(close or ordered)}."


def listed(names: Sequence[str]) -> str:
    """Return the names in quotes, at most ten of them.

    >>> listed(["stem", "head"])
    "'stem', 'head'"
    """
    shown = ", ".join(map(repr, names[:NAMES_SHOWN]))
    return f"{shown}, …" if len(names) > NAMES_SHOWN else shown
